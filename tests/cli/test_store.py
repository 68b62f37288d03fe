"""`quba-check store`: its output, its exit codes, mistakes, and checksums of stored predictions."""

import json
import re
import time
from pathlib import Path

import pytest
from cli.conftest import Run
from support.errors import raising
from support.runs_compared import stored
from support.stored import age, flip_last_bit, keys_of, predict, prediction_files
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.main import main
from quba_check.cli.store import damage_of
from quba_check.errors import StoreError
from quba_check.storage.inventory import read_inventory
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store

DAY = 86400


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The default store: r50 of two days ago, vit of today."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUBA_STORE", "store")
    store = open_store(Path("store"))
    predict(store, "r50", "clean", "clean+pgd")
    predict(store, "vit", "clean")
    record = stored("a.json", [0, 1, 2]).record
    store.objects.set("runs/a.json", record.to_json().encode())
    now = time.time()
    age(
        *(path for view in ("clean", "clean+pgd") for path in prediction_files(store, "r50", view)),
        at=now - 2 * DAY - 60,
    )
    age(*prediction_files(store, "vit", "clean"), at=now - 7300)
    age(store.root / "runs" / "a.json", at=now - 2 * DAY - 60)
    return store


@pytest.fixture
def run(run: Run, store: Store) -> Run:
    """Run a command on the store; sizes in bytes are left out."""

    def command(words: str) -> tuple[int, str, str]:
        code, out, err = run(words)
        # The width of the column depends on the sizes, and these on the processor's name.
        out = re.sub(r" +size", "  size", out)
        return code, re.sub(r"( ?) *[\d.,]+ (bytes|kB|MB)", r"\1SIZE", out), err

    return command


def test_the_models_of_a_store(store: Store, run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("store list") == (0, snapshot, "")


def test_long_names_are_cut_at_the_width_of_the_terminal(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    predict(store, "timm-" + "x" * 90 + "-last", "clean")
    main(["store", "list"])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "...xxx" in out
    assert "-last" in out


def test_a_damaged_file_is_listed(store: Store, run: Run) -> None:
    prediction_files(store, "vit", "clean")[0].write_bytes(b"")
    _, out, _ = run("store list")
    assert "(damaged)" in out
    assert out.splitlines()[-1] == "1 file is damaged; see quba-check store verify"


def test_the_list_as_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "list", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["store"] == "store"
    assert content["bytes"].keys() == {"total", "predictions", "records", "prepared_images", "other"}
    vit, r50 = content["models"]
    assert (r50["model"], r50["views"], r50["images"]) == ("r50", ["clean", "clean+pgd"], 12)
    assert (vit["cache_entries"], vit["bytes"]) == (
        1,
        prediction_files(store, "vit", "clean")[0].stat().st_size,
    )
    assert vit["last_change"].endswith("+00:00")


def test_an_empty_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_store(tmp_path / "s")
    assert main(["store", "list", "--store", str(tmp_path / "s")]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{tmp_path / 's'}: ")
    assert "predictions 0 bytes, records 0 bytes" in " ".join(out.split())


def test_an_intact_store(store: Store, run: Run) -> None:
    assert run("store verify") == (
        0,
        "3 files with predictions and 1 of records checked (SIZE): none damaged\n",
        "",
    )


def test_damaged_predictions(store: Store, run: Run) -> None:
    (path,) = prediction_files(store, "vit", "clean")
    flip_last_bit(path)
    damaged = f"damaged: {path}: its checksum does not fit its columns\n"
    summary = "3 files with predictions and 1 of records checked (SIZE): 1 damaged\n"
    assert run("store verify") == (
        1,
        f"{damaged}{summary}--remove removes damaged predictions. The next run predicts them again.\n",
        "",
    )
    assert run("store verify --remove") == (
        0,
        f"{damaged}{summary}Damaged predictions were removed. The next run predicts them again.\n",
        "",
    )
    assert run("store verify")[0] == 0
    assert len(read_inventory(store).of("predictions")) == 2


def test_damaged_records_stay(store: Store, run: Run) -> None:
    store.objects.set("runs/b.json", b"{")
    store.objects.set("runs/a.npz", b"no answers")
    code, out, _ = run("store verify --remove")
    assert code == 1
    assert re.sub(r"\(.*?\)", "(...)", out).splitlines()[1:] == [
        "damaged: store/runs/b.json: it is not JSON.",
        "3 files with predictions and 3 of records checked (...): 2 damaged",
        "Damaged records are not removed. Delete them, and judge the model again.",
    ]
    assert out.startswith("damaged: store/runs/a.npz: ")
    assert (store.root / "runs" / "b.json").exists()


def test_a_dry_run_removes_nothing(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    before = sorted(file.name for file in store.files())
    assert run("store prune --older-than 1d") == (0, snapshot, "")
    assert sorted(file.name for file in store.files()) == before


def test_old_predictions_are_removed(store: Store, run: Run) -> None:
    code, out, _ = run("store prune --older-than 1d --yes")
    assert (code, out.splitlines()[-1]) == (0, "store: removed SIZE; SIZE left")
    left = read_inventory(store)
    assert ({file.model for file in left.of("predictions")}, len(left.of("records"))) == ({"vit"}, 1)
    assert run("store prune --older-than 1d --yes")[1] == "store: nothing to remove\n"


def test_a_size_that_cannot_be_reached(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    kept = (
        "SIZE left are more than --larger-than; kept: records, what changed within --older-than "
        "(default: 1w), and data used within a week"
    )
    _, out, _ = run("store prune --larger-than 0 --yes")
    assert out.splitlines() == ["store: nothing to remove", kept]
    assert len(read_inventory(store).of("predictions")) == 3
    _, out, _ = run("store prune --larger-than 0 --older-than 0h --yes")
    assert out.splitlines()[-2:] == ["store: removed SIZE; SIZE left", kept]
    assert read_inventory(store).of("predictions") == []


def test_a_folder_that_is_no_store(store: Store, run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("store list --store nowhere") == (4, "", snapshot)
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("age_text", ["30", "d", "-3d", "3.5d", "30m", "٣d", "1234567d"])
def test_ages_that_are_none(run: Run, age_text: str) -> None:
    message = (
        f"ERROR: quba-check store prune: --older-than: got '{age_text}'. Allowed: a whole number with h, d "
        "or w (hours, days, weeks), such as 30d.\n"
    )
    assert run(f"store prune --older-than {age_text}") == (4, "", message)


@pytest.mark.parametrize(("age_text", "n_views"), [("49h", 0), ("47h", 2), ("2d", 2), ("1w", 0), ("1h", 3)])
def test_units_of_ages(store: Store, run: Run, age_text: str, n_views: int) -> None:
    assert run(f"store prune --older-than {age_text} --yes")[0] == 0
    assert len(read_inventory(store).of("predictions")) == 3 - n_views


@pytest.fixture
def empty_store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def damages(store: Store, path: Path) -> dict[str, str]:
    return damage_of(store, path.relative_to(store.root).as_posix())


@pytest.mark.parametrize("packed", [True, False])
def test_damaged_files_alone_are_named(empty_store: Store, packed: bool) -> None:
    predict(empty_store, "r50", "clean", packed=packed)
    path, *others = prediction_files(empty_store, "r50", "clean")
    assert len(others) == (0 if packed else 1)
    assert [damages(empty_store, one) for one in (path, *others)] == [{} for _ in (path, *others)]
    flip_last_bit(path)
    name = path.relative_to(empty_store.root).as_posix()
    assert damages(empty_store, path) == {name: f"{path}: its checksum does not fit its columns"}
    empty_store.delete_files([name])
    assert prediction_files(empty_store, "r50", "clean") == others
    assert empty_store.missing(keys_of("r50", "clean")) == keys_of("r50", "clean")[: 2 - len(others)]


def test_a_store_that_fails_has_no_damage(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    predict(empty_store, "r50", "clean")
    (path,) = prediction_files(empty_store, "r50", "clean")
    monkeypatch.setattr(empty_store.objects, "get", raising(StoreError("no route to host")))
    with pytest.raises(StoreError, match="no route to host"):
        damages(empty_store, path)


def test_a_file_that_another_process_removed(empty_store: Store) -> None:
    predict(empty_store, "r50", "clean")
    (path,) = prediction_files(empty_store, "r50", "clean")
    path.unlink()
    assert damages(empty_store, path) == {}

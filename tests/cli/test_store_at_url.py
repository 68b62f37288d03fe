"""`quba-check store` on a store at a URL."""

import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.s3 import S3Server
from support.stored import keys_of, predict
from support.tuned import record

from quba_check.storage.inventory import read_inventory
from quba_check.storage.opening import open_store


@pytest.fixture
def url(run: Run, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The default store, with predictions of two models by another machine."""
    url = f"{s3.new_bucket()}/store"
    monkeypatch.setenv("QUBA_STORE", url)
    on_machine(monkeypatch, tmp_path / "first")
    store = open_store(url)
    predict(store, "r50", "clean", "clean+pgd")
    predict(store, "vit", "clean")
    store.close()
    on_machine(monkeypatch, tmp_path / "second")
    return url


def on_machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Continue as a machine with its own folder for copies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


def test_the_list_reads_the_start_of_each_file(url: str, s3: S3Server, run: Run) -> None:
    with s3.counted() as requests:
        content = json.loads(run("store list --json")[1])
    assert content["store"] == url
    assert {row["model"]: row["views"] for row in content["models"]} == {
        "r50": ["clean", "clean+pgd"],
        "vit": ["clean"],
    }
    assert requests["GET"] == 3 + 1  # and the format of the store
    assert requests["LIST"] == 1


def test_a_file_that_is_removed_meanwhile_is_left_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(url)
    key, _ = keys_of("vit", "clean")
    store.read(*keys_of("vit", "clean"))  # copied to this machine
    files = list(store.files())
    store.objects.delete(*(file.name for file in files if key.cache_entry in file.name))
    monkeypatch.setattr(store, "files", lambda: files)
    assert [file.model for file in read_inventory(store).of("predictions")] == ["r50", "r50"]


def test_a_url_without_a_store_stays_empty(url: str, s3: S3Server, run: Run) -> None:
    bucket = s3.new_bucket()
    for words in ("store list", "store verify", "store prune"):
        message = (
            f"ERROR: quba-check {words}: --store: {bucket}/typo is not a store: it has neither 'format.json' "
            "nor 'predictions/'. Allowed: the folder or URL that a run got by --quba-store or $QUBA_STORE.\n"
        )
        assert run(f"{words} --store {bucket}/typo") == (4, "", message)
    assert s3.names(bucket) == []
    assert run(f"store list --store {url}")[0] == 0


def test_damage_at_the_url_is_removed_there(url: str, s3: S3Server, tmp_path: Path, run: Run) -> None:
    assert ": none damaged" in run("store verify")[1]
    (name,) = s3.names(f"{url}/predictions/{keys_of('vit', 'clean')[0].cache_entry}")
    bucket = url.split("/")[2]
    key = f"store/predictions/{keys_of('vit', 'clean')[0].cache_entry}/{name}"
    s3.client().put_object(Bucket=bucket, Key=key, Body=b"cut")
    code, out, _ = run("store verify")
    assert code == 1
    assert out.startswith(f"damaged: s3://{bucket}/{key}: cannot be read (its header is cut off)\n")
    assert list((tmp_path / "second").rglob("*.safetensors")) == []  # nothing was copied to stay
    assert run("store verify --remove")[1].count("damaged: ") == 1
    assert ": none damaged" in run("store verify")[1]
    assert {file.model for file in read_inventory(open_store(url)).of("predictions")} == {"r50"}


def test_damaged_records_are_named_by_their_url(url: str, run: Run) -> None:
    store = open_store(url)
    store.objects.set("runs/a.json", record().to_json().encode())
    store.objects.set("runs/a.npz", b"no answers")
    store.objects.set("runs/b.json", b"{")
    store.objects.set("runs/c.json", b"{}")
    for _ in range(2):
        assert run("store verify")[1].splitlines()[:3] == [
            f"damaged: {url}/runs/a.npz: not a file of predictions per image. Allowed: the file "
            "that a run wrote next to its record.",
            f"damaged: {url}/runs/b.json: it is not JSON.",
            f"damaged: {url}/runs/c.json: not a record: model: Field required.",
        ]


def test_predictions_are_removed_at_the_url(url: str, s3: S3Server, run: Run) -> None:
    run("store prune --larger-than 0 --older-than 0h --yes")
    assert s3.names(f"{url}/predictions/") == []

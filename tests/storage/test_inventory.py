"""Contents of a store, and the choice of the files to remove."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.stored import OLD, age, keys_of, predict, prediction_files

from quba_check.storage.inventory import (
    ABANDONED_SECONDS,
    KEPT_SECONDS,
    ModelSummary,
    PruneConditions,
    kind_of,
    model_rows,
    read_inventory,
    removals,
)
from quba_check.storage.opening import open_store
from quba_check.storage.shard import ShardKey, encode_shards, header_end, object_name
from quba_check.storage.store import FIRST_READ, Store

NOW = OLD + 1000 + KEPT_SECONDS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def test_models_with_the_last_changed_one_first(store: Store) -> None:
    predict(store, "old", "clean", "clean+pgd")
    predict(store, "new", "clean", packed=False)
    for path in store.root.rglob("*.safetensors"):
        age(path, at=OLD if path not in prediction_files(store, "new", "clean") else OLD + 60)
    rows = model_rows(read_inventory(store))
    sizes = {
        model: sum(path.stat().st_size for view in views for path in prediction_files(store, model, view))
        for model, views in (("old", ("clean", "clean+pgd")), ("new", ("clean",)))
    }
    assert rows == [
        ModelSummary("new", ("clean",), 1, 6, sizes["new"], OLD + 60),
        ModelSummary("old", ("clean", "clean+pgd"), 2, 12, sizes["old"], OLD),
    ]


def test_a_header_longer_than_the_first_read(store: Store) -> None:
    keys = [ShardKey("c" * 32, number, f"{number:032x}", range(number, number + 1)) for number in range(1500)]
    columns = {"index": np.arange(1500), "top1": np.ones(1500)}
    content = encode_shards(keys, columns, {"model": "m", "view": "clean", "outputs": "logits"})
    store.objects.set(object_name("c" * 32, [key.id for key in keys]), content)
    (file,) = read_inventory(store).of("predictions")
    assert header_end(content, len(content)) > FIRST_READ
    assert (file.model, file.view, file.images, file.group) == ("m", "clean", 1500, "c" * 32)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 40, b"\x02" + b"\0" * 7 + b"{}", b"\x02" + b"\0" * 7 + b"[]"]
)
def test_a_damaged_header(store: Store, content: bytes) -> None:
    predict(store, "r50", "clean")
    (path,) = prediction_files(store, "r50", "clean")
    path.write_bytes(content)
    (file,) = read_inventory(store).of("predictions")
    assert (file.model, file.view, file.images) == (None, None, 0)


def test_a_file_that_is_removed_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    predict(store, "r50", "clean")
    files = list(store.files())
    monkeypatch.setattr(store, "files", lambda: iter(files))
    store.remove(*keys_of("r50", "clean"))
    assert read_inventory(store).of("predictions") == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (f"predictions/{'a' * 32}/00000-{'b' * 16}.safetensors", "predictions"),
        (f"predictions/{'a' * 32}/00000-00195-{'b' * 16}.safetensors", "predictions"),
        (f"predictions/{'a' * 32}/.0123.tmp", "other"),
        ("predictions/00000-0123456789abcdef.safetensors", "other"),
        ("predictions/readme.txt", "other"),
        ("runs/a.json", "records"),
        ("runs/a.npz", "records"),
        ("runs/more/a.json", "other"),
        ("images/a.npy", "images"),
        ("mirror/a/files/x.png", "copies"),
        ("images/.a.tmp", "other"),
        ("locks/0001.lock", "other"),
        ("digests.sqlite", "other"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.fixture
def full(store: Store) -> Store:
    """A store with two views of an old model, one of a new one, records and prepared images."""
    predict(store, "old", "clean", "clean+pgd")
    predict(store, "new", "clean")
    age(*prediction_files(store, "old", "clean"), at=OLD)
    age(*prediction_files(store, "old", "clean+pgd"), at=OLD + 1)
    age(*prediction_files(store, "new", "clean"), at=OLD + 2)
    for number, model in enumerate(("old", "new")):
        store.objects.set(f"runs/{model}.json", f'{{"model": {{"name": "{model}"}}}}'.encode())
        age(store.root / "runs" / f"{model}.json", at=OLD + number)
    for number in range(2):
        store.objects.set(f"images/{number}.npy", bytes(1000))
        age(store.root / "images" / f"{number}.npy", at=OLD + 500 + number)
    return store


def selected(store: Store, conditions: PruneConditions, now: float = NOW) -> list[tuple[str, str, int]]:
    """Kind, model and age in seconds of the files to remove, in order."""
    chosen = removals(read_inventory(store), conditions, now)
    return [(each.kind, each.model, int(each.modified - OLD)) for each in chosen]


def test_an_age(full: Store) -> None:
    assert selected(full, PruneConditions(before=OLD + 2)) == [
        ("predictions", "old", 0),
        ("predictions", "old", 1),
    ]
    assert selected(full, PruneConditions(before=OLD + 501, images=True))[0] == ("images", "", 500)


def test_a_size_takes_images_first_and_the_oldest_predictions_next(full: Store) -> None:
    size = read_inventory(full).size()
    assert selected(full, PruneConditions(larger_than=size)) == []
    images = [("images", "", 500), ("images", "", 501)]
    assert selected(full, PruneConditions(larger_than=size - 1)) == images[:1]
    assert selected(full, PruneConditions(larger_than=size - 2000)) == images
    assert selected(full, PruneConditions(larger_than=size - 2001)) == [*images, ("predictions", "old", 0)]
    assert len(selected(full, PruneConditions(larger_than=0))) == 5  # records stay


def test_what_changed_within_a_week_is_kept(full: Store) -> None:
    conditions = PruneConditions(larger_than=0, images=True)
    assert selected(full, conditions, OLD + KEPT_SECONDS) == []
    week_after_two = OLD + 2 + KEPT_SECONDS
    kept_by_default = [("predictions", "old", 0), ("predictions", "old", 1)]
    assert selected(full, conditions, week_after_two) == kept_by_default
    assert len(selected(full, replace(conditions, before=NOW), week_after_two)) == 5


def test_leftovers_of_killed_runs(full: Store) -> None:
    for name in ("predictions/.pack-1.tmp", "images/.1.tmp", "progress/7-8/main.json"):
        full.objects.set(name, b"left")
        age(full.root / name, at=NOW - ABANDONED_SECONDS - 1)
    for name in ("predictions/.2.tmp", "progress/9-10/main.json"):
        full.objects.set(name, b"in work")
        age(full.root / name, at=NOW - ABANDONED_SECONDS)
    chosen = removals(read_inventory(full), PruneConditions(), NOW)
    assert {each.kind for each in chosen} == {"leftovers"}
    full.delete_files(file.name for each in chosen for file in each.files)
    assert {path.name for path in full.root.rglob("*") if path.is_file()} >= {".2.tmp", "main.json"}
    assert not list(full.root.glob("progress/7-8/*"))
    assert not list(full.root.rglob(".*1.tmp"))


def test_copies_of_data_are_removed_together(full: Store) -> None:
    for url, used in (("a", OLD + 600), ("b", OLD + 400)):
        for name, at in (("listing.json", used), ("files/x.png", OLD - 9), (".1.tmp", NOW)):
            full.objects.set(f"mirror/{url}/{name}", bytes(100))
            age(full.root / "mirror" / url / name, at=at)
    assert selected(full, PruneConditions(images=True)) == [
        ("copies", "", 400),
        ("images", "", 500),
        ("images", "", 501),
        ("copies", "", 600),
    ]
    week_after = OLD + 501 + KEPT_SECONDS
    kinds = [kind for kind, *_ in selected(full, PruneConditions(images=True), week_after)]
    assert kinds == ["copies", "images"]
    removed = selected(full, PruneConditions(before=NOW, images=True), week_after)
    assert [row for row in removed if row[0] == "copies"] == [("copies", "", 400)]
    assert selected(full, PruneConditions(before=OLD + 450, images=True))[0] == ("copies", "", 400)

"""Choice of the files to remove, and their removal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.stored import OLD, age, predict, prediction_files

from quba_check.storage.active_runs import ActiveRun
from quba_check.storage.inventory import ABANDONED_SECONDS, Conditions, read_inventory, removals
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store

NOW = OLD + 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two views of an old model, one of a new one, records and prepared images."""
    store = open_store(tmp_path / "store")
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


def selected(
    store: Store, conditions: Conditions, running: Sequence[ActiveRun] = ()
) -> list[tuple[str, str, int]]:
    """Kind, model and age in seconds of the files to remove, in order."""
    chosen = removals(read_inventory(store), conditions, running, NOW)
    return [(each.kind, each.model, int(each.modified - OLD)) for each in chosen]


def run_of(model: str, started: float = NOW) -> ActiveRun:
    return ActiveRun("run", (model,), 1, started, NOW)


def test_an_age(store: Store) -> None:
    assert selected(store, Conditions(before=OLD + 1)) == [
        ("predictions", "old", 0),
        ("predictions", "old", 1),
    ]
    assert selected(store, Conditions(before=OLD + 500, images=True))[0] == ("images", "", 500)


def test_a_size_takes_images_first_and_the_oldest_predictions_next(store: Store) -> None:
    size = read_inventory(store).size()
    assert selected(store, Conditions(larger_than=size)) == []
    images = [("images", "", 500), ("images", "", 501)]
    assert selected(store, Conditions(larger_than=size - 1)) == images[:1]
    assert selected(store, Conditions(larger_than=size - 2000)) == images
    assert selected(store, Conditions(larger_than=size - 2001)) == [*images, ("predictions", "old", 0)]
    assert len(selected(store, Conditions(larger_than=0))) == 5  # records stay


def test_a_running_evaluation_keeps_its_model_and_images(store: Store) -> None:
    everything = Conditions(before=NOW, images=True)
    running = [run_of("old", started=OLD + 501)]
    assert selected(store, everything, running) == [("images", "", 500), ("predictions", "new", 2)]


def test_damaged_files_are_of_no_model(store: Store) -> None:
    for path in prediction_files(store, "old", "clean"):
        path.write_bytes(b"")
        age(path)
    assert selected(store, Conditions(before=OLD)) == [("predictions", "", 0)]


def test_leftovers_of_killed_runs(store: Store) -> None:
    for name in ("predictions/.pack-1.tmp", "images/.1.tmp", "progress/7-8/main.json"):
        store.objects.set(name, b"left")
        age(store.root / name, at=NOW - ABANDONED_SECONDS - 1)
    for name in ("predictions/.2.tmp", "progress/9-10/main.json"):
        store.objects.set(name, b"in work")
        age(store.root / name, at=NOW - ABANDONED_SECONDS)
    chosen = removals(read_inventory(store), Conditions(), [], NOW)
    assert {each.kind for each in chosen} == {"leftovers"}
    store.delete_files(file.name for each in chosen for file in each.files)
    assert {path.name for path in store.root.rglob("*") if path.is_file()} >= {".2.tmp", "main.json"}
    assert not list(store.root.glob("progress/7-8/*"))
    assert not list(store.root.rglob(".*1.tmp"))


def test_copies_of_data_are_removed_together(store: Store) -> None:
    for url, used in (("a", OLD + 600), ("b", OLD + 400)):
        for name, at in (("listing.json", used), ("files/x.png", OLD - 9), (".1.tmp", OLD)):
            store.objects.set(f"mirror/{url}/{name}", bytes(100))
            age(store.root / "mirror" / url / name, at=at)
    assert selected(store, Conditions(images=True)) == [
        ("copies", "", 400),
        ("images", "", 500),
        ("images", "", 501),
        ("copies", "", 600),
    ]
    running = [run_of("other", started=OLD + 501)]
    kinds = [kind for kind, *_ in selected(store, Conditions(images=True), running)]
    assert kinds == ["copies", "images"]
    assert selected(store, Conditions(before=OLD + 450, images=True))[0] == ("copies", "", 400)

"""Contents of a store: models, views, images, sizes and ages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.stored import OLD, age, keys_of, predict, prediction_files

from quba_check.storage.inventory import ModelSummary, kind_of, model_rows, read_inventory
from quba_check.storage.opening import open_store
from quba_check.storage.shard import ShardKey, encode_shards, header_end, object_name
from quba_check.storage.store import FIRST_READ, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def test_an_empty_store(store: Store) -> None:
    inventory = read_inventory(store)
    assert (inventory.of("predictions"), model_rows(inventory)) == ([], [])


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
        ("active/a.json", "other"),
        ("digests.sqlite", "other"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind

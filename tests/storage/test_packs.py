"""Packed shards: one file for a view, read as the shards were written, whatever happens meanwhile."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from quba_check.errors import StoreError
from quba_check.storage import packs
from quba_check.storage.shard import DamagedShardError, Shard, ShardKey
from quba_check.storage.store import Store

ENTRY = "e" * 32
ROWS = 4
ABOUT = {"model": "net", "view": "fog-3", "outputs": "logits"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def key_of(number: int, content: str = "a", rows: int = ROWS) -> ShardKey:
    return ShardKey(ENTRY, number, content * 32, range(number * ROWS, number * ROWS + rows))


KEYS = [key_of(number) for number in range(5)]
FOLDER = Path("predictions") / ENTRY


def columns_of(key: ShardKey) -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng([key.shard, *key.content.encode()])
    rows = len(key.indices)
    return {
        "index": np.array(key.indices),
        "label": generator.integers(-1, 1000, rows),
        "top1": generator.integers(0, 100, rows),
        "confidence": generator.random(rows, dtype=np.float32),
        "flag": generator.random(rows) < 0.5,
        "probabilities": generator.random((rows, 3), dtype=np.float32),
    }


def fill(store: Store, keys: Sequence[ShardKey] = KEYS) -> None:
    for key in keys:
        store.write(key, columns_of(key), ABOUT)


def packed(store: Store, keys: Sequence[ShardKey] = KEYS) -> Path:
    fill(store, keys)
    store.pack(keys)
    (path,) = files(store)
    return path


def files(store: Store) -> list[Path]:
    return sorted((store.root / FOLDER).iterdir())


def check(shard: Shard, keys: Sequence[ShardKey]) -> None:
    parts = [columns_of(key) for key in keys]
    assert shard.columns.keys() == parts[0].keys()
    for name, column in shard.columns.items():
        expected = np.concatenate([part[name] for part in parts])
        assert (column.dtype, column.tolist()) == (expected.dtype, expected.tolist())


def count_opens(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    opened: Counter[str] = Counter()
    path_open = Path.open

    def counted(path: Path, *arguments: Any, **options: Any) -> Any:
        opened[path.name] += 1
        return path_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", counted)
    return opened


def test_shards_of_a_view_become_one_smaller_file(store: Store) -> None:
    fill(store)
    before = {path.name: path.stat().st_size for path in files(store)}
    originals = [store.read(key) for key in KEYS]
    store.pack(KEYS)
    (path,) = files(store)
    assert (len(before), path.name[:12]) == (5, "00000-00004-")
    assert path.stat().st_size < sum(before.values())
    assert all(map(store.has, KEYS))
    assert store.missing(KEYS) == []
    for key, original in zip(KEYS, originals, strict=True):
        check(store.read(key), [key])
        assert store.read(key).about == original.about
    whole = store.read_packed(KEYS)
    assert whole is not None
    check(whole, KEYS)
    assert whole.about == {**ABOUT, "entry": ENTRY}  # names and checksums differ
    check(store.read_packed(KEYS[1:3]) or whole, KEYS[1:3])


def test_a_view_of_fifty_thousand_images_is_one_file_with_columns_as_small_as_their_values(
    store: Store,
) -> None:
    keys = [
        ShardKey(ENTRY, number, f"{number:032x}", range(number * 256, min((number + 1) * 256, 50_000)))
        for number in range(196)
    ]
    fill(store, keys)
    before = sum(path.stat().st_size for path in files(store))
    store.pack(keys)
    (path,) = files(store)
    stored = {name: column.dtype for name, column in load_file(path).items()}
    assert (stored["index"], stored["label"], stored["top1"]) == (np.int32, np.int16, np.int8)
    bytes_of_a_row = 4 + 2 + 1 + 4 + 1 + 12
    assert path.stat().st_size < 50_000 * bytes_of_a_row + 196 * 100 + 1000
    assert path.stat().st_size < 0.61 * before
    check(store.read(keys[195]), keys[195:])


def test_the_contents_of_a_pack_are_read_once_and_its_rows_where_they_lie(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(store)
    store = Store(store.root)
    opened = count_opens(monkeypatch)
    for _ in range(3):
        assert all(map(store.has, KEYS))
        assert store.missing([*KEYS, key_of(5)]) == [key_of(5)]
        store.pack(KEYS)
    assert opened == {path.name: 1}
    store.read_packed(KEYS)
    assert opened == {path.name: 2}
    tensors: list[tuple[str, list[range]]] = []
    rows = packs.TensorFile.rows
    monkeypatch.setattr(
        packs.TensorFile,
        "rows",
        lambda file, name, ranges: tensors.append((name, list(ranges))) or rows(file, name, ranges),
    )
    store.read_packed(KEYS)
    assert dict(tensors).keys() == columns_of(KEYS[0]).keys()
    assert all(ranges == [range(20)] for _, ranges in tensors)
    tensors.clear()
    store.read(KEYS[2])
    assert all(ranges == [range(8, 12)] for _, ranges in tensors)


@pytest.mark.parametrize("keys", [KEYS[:1], []])
def test_one_shard_stays_as_it_is(store: Store, keys: Sequence[ShardKey]) -> None:
    fill(store, KEYS[:1])
    store.pack(keys)
    assert files(store) == [store.path(KEYS[0])]


def test_an_incomplete_view_stays_as_it_is(store: Store) -> None:
    fill(store, KEYS[:4])
    store.pack(KEYS)
    assert files(store) == [store.path(key) for key in KEYS[:4]]
    assert store.missing(KEYS) == KEYS[4:]
    assert store.read_packed(KEYS) is None


def test_a_damaged_shard_stays_where_it_is_found(store: Store) -> None:
    fill(store)
    path = store.path(KEYS[3])
    path.write_bytes(path.read_bytes()[:-1])
    store.pack(KEYS)
    assert len(files(store)) == 5
    with pytest.raises(DamagedShardError):
        store.read(KEYS[3])


def test_shards_with_other_columns_are_not_packed(store: Store) -> None:
    for change in ({"more": np.zeros(ROWS)}, {"label": np.zeros(ROWS, np.int32)}):
        fill(store)
        store.write(KEYS[2], columns_of(KEYS[2]) | change, ABOUT)
        store.pack(KEYS)
        assert len(files(store)) == 5


def test_metadata_of_single_shards_are_kept(store: Store) -> None:
    for key in KEYS:
        store.write(key, columns_of(key), {"model": f"net{key.shard}", "pack": "same", "view": "clean"})
    store.pack(KEYS)
    assert len(files(store)) == 1
    about = store.read(KEYS[3]).about
    assert (about["model"], about["pack"], about["view"]) == ("net3", "same", "clean")
    whole = store.read_packed(KEYS)
    assert whole is not None
    assert whole.about == {"pack": "same", "view": "clean", "entry": ENTRY}


def test_other_images_under_the_same_settings_are_packed_apart(store: Store) -> None:
    others = [key_of(number, "b") for number in range(3)]
    packed(store)
    fill(store, others)
    assert store.missing(others) == []
    store.pack(others)
    assert len(files(store)) == 2
    for keys in (KEYS, others):
        check(store.read_packed(keys) or store.read(keys[0]), keys)
    store.remove(*others)
    assert len(files(store)) == 1
    assert store.missing([*KEYS, *others]) == others


def test_a_changed_image_costs_its_shard_and_joins_the_pack(store: Store) -> None:
    packed(store)
    changed = [*KEYS[:2], key_of(2, "c"), *KEYS[3:]]
    assert store.missing(changed) == [changed[2]]
    fill(store, [changed[2]])
    store.pack(changed)
    assert len(files(store)) == 1
    for keys in (KEYS, changed):  # the image may change back
        assert store.missing(keys) == []
        check(store.read_packed(keys) or store.read(keys[0]), keys)


def test_a_crash_before_the_shards_are_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("quba_check.storage.store.remove", killed)
        with pytest.raises(KeyboardInterrupt):
            store.pack(KEYS)
    assert len(files(store)) == 6
    check(store.read(KEYS[1]), KEYS[1:2])
    store.pack(KEYS)
    assert len(files(store)) == 1
    check(store.read_packed(KEYS) or store.read(KEYS[0]), KEYS)


@pytest.mark.parametrize("step", ["replace", "save_file", "fsync"])
def test_a_full_disk_leaves_the_shards(store: Store, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    fill(store)

    def full(*_: object) -> None:
        if step == "save_file":
            raise SafetensorError("No space left on device")
        raise OSError(28, "No space left on device")

    owner = {"replace": Path, "save_file": packs, "fsync": os}[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, full)
        store.pack(KEYS)
    assert files(store) == [store.path(key) for key in KEYS]


def test_a_file_that_does_not_hold_what_was_written_replaces_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    save_file = packs.save_file

    def wrong(columns: dict[str, NDArray[Any]], path: Path, metadata: dict[str, str]) -> None:
        save_file(columns | {"top1": columns["top1"] + 1}, path, metadata)

    monkeypatch.setattr(packs, "save_file", wrong)
    store.pack(KEYS)
    assert files(store) == [store.path(key) for key in KEYS]


def test_a_process_killed_while_packing_leaves_no_file_for_ever(store: Store) -> None:
    packed(store)
    for name in (".pack-0123.tmp", ".0123.tmp"):  # the other may be a shard that a process writes now
        (store.root / FOLDER / name).write_bytes(b"half")
    store.remove(KEYS[0])
    assert [path.name[:6] for path in files(store)] == [".0123.", "00001-"]


@pytest.mark.parametrize("what", ["lock", "folder"])
def test_a_store_of_another_user_stays_as_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    fill(store)
    if what == "lock":
        monkeypatch.setattr("quba_check.storage.store.FileLock.acquire", refuse)
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)
        monkeypatch.setattr("quba_check.storage.store.FileLock.acquire", None)
    store.pack(KEYS)
    assert len(files(store)) == 5


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_nothing_is_read_before_the_view_is_complete(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, KEYS[:4])
    opened = count_opens(monkeypatch)
    store.pack(KEYS)
    assert not opened


def flip(path: Path, needle: bytes) -> None:
    payload = bytearray(path.read_bytes())
    assert payload.count(needle) == 1
    payload[payload.index(needle)] ^= 1
    path.write_bytes(payload)


@pytest.mark.parametrize("what", ["row", "checksum"])
def test_one_damaged_shard_of_a_pack(store: Store, what: str) -> None:
    path = packed(store)
    shard = store.read(KEYS[2])
    flip(
        path, shard.columns["probabilities"].tobytes() if what == "row" else shard.about["checksum"].encode()
    )
    assert store.read_packed(KEYS) is None
    with pytest.raises(DamagedShardError) as caught:
        store.read(KEYS[2])
    assert str(caught.value) == f"{path}: shard 2: its checksum does not fit its columns"
    sound = [key for key in KEYS if key.shard != 2]
    for key in sound:
        check(store.read(key), [key])
    store.remove(KEYS[2])
    assert store.missing(KEYS) == [KEYS[2]]
    assert len(files(store)) == 1
    for key in sound:
        check(store.read(key), [key])
    assert packed(store) == path
    check(store.read_packed(KEYS) or store.read(KEYS[0]), KEYS)


def test_two_damaged_shards_are_found_one_after_the_other(store: Store) -> None:
    path = packed(store)
    for number in (1, 3):
        flip(path, columns_of(KEYS[number])["probabilities"].tobytes())
    store.remove(KEYS[1])
    (rest,) = files(store)
    with pytest.raises(DamagedShardError) as caught:
        store.read(KEYS[3])
    assert str(caught.value) == f"{rest}: shard 3: its checksum does not fit its columns"
    check(store.read(KEYS[4]), KEYS[4:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def cut_to_nothing(path: Path) -> None:
    path.write_bytes(b"")


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"?")


def lengthen_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 7 + path.read_bytes()[7:])


def other_content(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a" * 16, b"b" * 16, 1))


def other_rows(path: Path) -> None:
    payload = path.read_bytes().replace(rb"\",4,{", rb"\",3,{", 1)
    path.write_bytes(payload)


def other_type(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(rb"\"<f4\"", rb"\"<U4\"", 1))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut, "cannot be read (it has "),
        (cut_to_nothing, "cannot be read (its header is cut off)"),
        (lengthen, "cannot be read (it has "),
        (lengthen_header, "cannot be read (its header is cut off)"),
        (other_content, "cannot be read (its shards are not those of its name)"),
        (other_rows, "cannot be read (its columns do not have 19 rows)"),
        (other_type, "cannot be read (its types are not those of columns)"),
        (folder, "is not a file"),
        (pipe, "is not a file"),
    ],
)
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_pack_that_cannot_be_read(
    store: Store, damage: Callable[[Path], None], text: str, seen_before: bool
) -> None:
    path = packed(store)
    if seen_before:
        assert store.has(KEYS[0])
    else:
        store = Store(store.root)
    damage(path)
    assert all(map(store.has, KEYS))
    assert store.missing(KEYS) == []
    assert store.read_packed(KEYS) is None
    for key in KEYS:
        with pytest.raises(DamagedShardError) as caught:
            store.read(key)
        assert str(caught.value).startswith(f"{path}: {text}")
    store.remove(KEYS[0])
    assert files(store) == []
    assert store.missing(KEYS) == KEYS


def test_other_rows_than_the_range_are_found(store: Store) -> None:
    path = packed(store)
    moved = [ShardKey(ENTRY, key.shard, key.content, range(1, 1 + ROWS)) for key in KEYS]
    with pytest.raises(DamagedShardError) as caught:
        store.read(moved[1])
    assert str(caught.value) == f"{path}: shard 1: it does not hold the 4 rows of its range"
    assert store.read_packed(moved) is None


def test_removed_shards_are_gone_from_pack_and_folder(store: Store) -> None:
    packed(store)
    fill(store, KEYS[1:2])  # as after a crash
    store.remove(KEYS[1])
    assert store.missing(KEYS) == KEYS[1:2]
    store.remove(*KEYS)
    assert files(store) == []


def test_a_pack_that_cannot_be_written_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(store)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError) as caught:
        store.remove(KEYS[0])
    assert str(caught.value) == f"--quba-store: {path} cannot be removed (No space left on device)."
    assert files(store) == [path]


def test_a_reader_finds_a_shard_that_is_packed_under_its_hands(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    other = Store(store.root)
    lexists = os.path.lexists

    def packed_just_after(path: Path) -> bool:
        found = lexists(path)
        monkeypatch.undo()
        other.pack(KEYS)
        return found

    monkeypatch.setattr(os.path, "lexists", packed_just_after)
    check(store.read(KEYS[0]), KEYS[:1])
    assert len(files(store)) == 1


def test_a_reader_finds_a_pack_that_is_replaced_under_its_hands(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(store)
    other = Store(store.root)
    listing = packs.PackIndex.listing

    def replaced_just_after(index: packs.PackIndex, path: Path) -> packs.PackListing:
        found = listing(index, path)
        monkeypatch.undo()
        other.remove(KEYS[4])
        return found

    monkeypatch.setattr(packs.PackIndex, "listing", replaced_just_after)
    check(store.read(KEYS[0]), KEYS[:1])


def test_a_second_process_leaves_packing_to_the_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    calls: list[Path] = []
    write_pack = packs.write_pack

    def with_a_second(path: Path, shards: dict[packs.ShardId, Shard]) -> None:
        calls.append(path)
        with ThreadPoolExecutor(1) as pool:  # a thread is to a lock as another process
            pool.submit(Store(store.root).pack, KEYS).result()
        write_pack(path, shards)

    monkeypatch.setattr("quba_check.storage.store.write_pack", with_a_second)
    store.pack(KEYS)
    assert (len(calls), len(files(store))) == (1, 1)


@given(data=st.data())
@settings(deadline=None, derandomize=True, max_examples=40)
def test_no_damage_gives_wrong_numbers(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    store = Store(tmp_path_factory.mktemp("damage"))
    path = packed(store)
    payload = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] = data.draw(st.integers(0, 255))
    path.write_bytes(payload[: data.draw(st.just(len(payload)) | st.integers(0, len(payload)))])
    store = Store(store.root)
    whole = store.read_packed(KEYS)
    if whole is not None:
        check(whole, KEYS)
    for key in KEYS:
        try:
            check(store.read(key), [key])
        except DamagedShardError:
            store.remove(key)
            assert not store.has(key)
    fill(store, store.missing(KEYS))
    store.pack(KEYS)
    assert files(store) == [path]
    check(store.read_packed(KEYS) or store.read(KEYS[0]), KEYS)


def work(root: Path, number: int, rounds: int) -> None:
    """Write, pack, read and remove shards while other processes do the same."""
    store = Store(root)
    for turn in range(rounds):
        for key in KEYS:
            if not store.has(key):
                store.write(key, columns_of(key), ABOUT)
        store.pack(KEYS)
        whole = store.read_packed(KEYS)
        if whole is not None:
            check(whole, KEYS)
        for key in KEYS:
            try:
                check(store.read(key), [key])
            except DamagedShardError as error:
                assert str(error).endswith("is not a file")  # noqa: PT017  another process removed it
        if turn % 3 == number:
            store.remove(KEYS[turn % 5])


def test_processes_that_write_pack_read_and_remove_at_once(store: Store) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=(store.root, number, 12)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    work(store.root, 9, 1)
    assert [path.name[:12] for path in files(store)] == ["00000-00004-"]


def exact(columns: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (column.dtype.str, column.shape, column.tobytes()) for name, column in columns.items()}


TYPES = st.sampled_from(["int64", "int32", "uint8", "float32", "float64", "bool"])
VALUES = st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200)


@st.composite
def views(draw: st.DrawFn) -> dict[ShardKey, dict[str, NDArray[Any]]]:
    """Shards of one view with arbitrary columns, sizes and contents."""
    names = draw(st.lists(st.text(min_size=1, max_size=5).filter("index".__ne__), max_size=3, unique=True))
    kinds = {name: (draw(TYPES), draw(st.sampled_from([(), (2,), (0,)]))) for name in names}
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    contents = draw(st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=4, max_size=4))
    shards = {}
    for number, (rows, content) in enumerate(zip(sizes, contents, strict=False)):
        indices = draw(st.lists(VALUES, min_size=rows, max_size=rows))
        columns = {"index": np.array(indices, np.int64)}
        for name, (kind, shape) in kinds.items():
            size = int(rows * np.prod(shape, dtype=int))
            values = draw(st.lists(VALUES, min_size=size, max_size=size))
            columns[name] = np.array(values, np.int64).astype(kind).reshape(rows, *shape)
        shards[ShardKey(ENTRY, number, content, tuple(indices))] = columns
    return shards


@given(view=views(), about=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_any_shards_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    view: dict[ShardKey, dict[str, NDArray[Any]]],
    about: dict[str, str],
) -> None:
    store = Store(tmp_path_factory.mktemp("any"))
    for key, columns in view.items():
        store.write(key, columns, about)
    keys = list(view)
    originals = [store.read(key) for key in keys]
    store.pack(keys)
    assert len(files(store)) == 1
    for key, original in zip(keys, originals, strict=True):
        shard = store.read(key)
        assert shard.about == original.about
        assert exact(shard.columns) == exact(original.columns) == exact(view[key])

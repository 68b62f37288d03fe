"""Views of several shards: one object when complete, read as written, whatever happens meanwhile."""

import multiprocessing
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.errors import error_text, raising
from support.stored import ABOUT, ENTRY, ROWS, check, columns_of, fill, key_of, path_of, write

from quba_check.errors import StoreError
from quba_check.storage.objects import FolderObjects
from quba_check.storage.opening import open_store
from quba_check.storage.shard import DamagedShardError, ShardKey
from quba_check.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


KEYS = [key_of(number) for number in range(5)]
FOLDER = Path("predictions") / ENTRY


def packed(store: Store, keys: Sequence[ShardKey] = KEYS) -> Path:
    fill(store, keys)
    store.pack(keys)
    (path,) = files(store)
    return path


def files(store: Store) -> list[Path]:
    return sorted((store.root / FOLDER).iterdir())


def test_a_view_of_fifty_thousand_images_is_one_file_without_overhead(store: Store) -> None:
    keys = [
        ShardKey(ENTRY, number, f"{number:032x}", range(number * 256, min((number + 1) * 256, 50_000)))
        for number in range(196)
    ]
    path = packed(store, keys)
    stored = {name: column.dtype for name, column in load_file(path).items()}
    assert stored["index"] == stored["label"] == stored["top1"] == np.int32
    bytes_of_a_row = 4 + 4 + 4 + 4 + 1 + 12
    assert path.stat().st_size < 50_000 * bytes_of_a_row + 196 * 40 + 1000
    check(store, keys[195:])


def test_the_file_of_a_view_is_recognised_by_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(store)
    store = open_store(store.root)
    read = Counter[str]()
    get = FolderObjects.get

    def counted(objects: FolderObjects, name: str, size: int | None = None) -> bytes:
        read[f"{Path(name).name[:6]} {size}"] += 1
        return get(objects, name, size)

    monkeypatch.setattr(FolderObjects, "get", counted)
    assert store.missing(KEYS) == []
    assert all(map(store.has, KEYS))
    store.pack(KEYS)
    assert not read
    store.read(*KEYS)
    assert read == {"00000- None": 1}
    other = open_store(store.root)
    read.clear()
    for _ in range(3):
        assert all(map(other.has, KEYS))
        assert other.missing([*KEYS[:2], key_of(5)]) == [key_of(5)]
    assert read == {"00000- 32768": 1}  # the header alone


@pytest.mark.parametrize("keys", [KEYS[:1], KEYS[:4]])
def test_one_shard_or_an_incomplete_view_stays_as_it_is(store: Store, keys: Sequence[ShardKey]) -> None:
    fill(store, keys)
    store.pack(KEYS if len(keys) > 1 else keys)
    assert files(store) == [path_of(store, key) for key in keys]
    assert store.missing(KEYS) == KEYS[len(keys) :]


def test_shards_with_other_columns_are_not_packed(store: Store) -> None:
    for change in ({"more": np.zeros(ROWS)}, {"label": np.zeros(ROWS, np.float32)}):
        store.remove(KEYS[2])
        fill(store, KEYS)
        store.remove(KEYS[2])
        write(store, KEYS[2], columns_of(KEYS[2]) | change, ABOUT)
        store.pack(KEYS)
        assert len(files(store)) == 5


def test_a_crash_before_the_shards_are_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, KEYS)
    with monkeypatch.context() as patch:
        patch.setattr(FolderObjects, "delete", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store.pack(KEYS)
    assert len(files(store)) == 6
    check(store, KEYS)
    store.pack(KEYS)
    assert len(files(store)) == 1
    check(store, KEYS)


@pytest.mark.parametrize("step", ["replace", "write_bytes", "unlink"])
def test_a_full_disk_or_a_folder_of_another_user_leaves_the_shards(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fill(store, KEYS)

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, raising(OSError(28, "No space left on device")))
        store.pack(KEYS)
    assert set(files(store)) >= {path_of(store, key) for key in KEYS}
    check(store, KEYS)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def other_content(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a" * 16, b"b" * 16, 1))


def other_value(path: Path) -> None:
    payload = bytearray(path.read_bytes())
    needle = columns_of(KEYS[2])["probabilities"].tobytes()
    payload[payload.index(needle)] ^= 1
    path.write_bytes(payload)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut, "cannot be read (it has "),
        (other_content, "cannot be read (it is of another model, view, settings or images)"),
        (other_value, "its checksum does not fit its columns"),
    ],
)
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_damaged_file_of_a_view_is_removed_whole(
    store: Store, damage: Callable[[Path], None], text: str, seen_before: bool
) -> None:
    path = packed(store)
    if seen_before:
        assert store.has(KEYS[0])
    else:
        store = open_store(store.root)
    damage(path)
    assert all(map(store.has, KEYS))
    assert store.missing(KEYS) == []
    for keys in (KEYS, KEYS[:1]):
        assert error_text(DamagedShardError, store.read, *keys).startswith(f"{path}: {text}")
    store.remove(KEYS[0])
    assert files(store) == []
    assert store.missing(KEYS) == KEYS
    assert packed(store) == path
    check(store, KEYS)


def test_a_view_that_cannot_be_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(store)
    monkeypatch.setattr(Path, "unlink", raising(OSError(13, "Permission denied")))
    text = error_text(StoreError, store.remove, KEYS[0])
    assert text == f"--quba-store: {path} cannot be removed (Permission denied)."
    assert files(store) == [path]


@pytest.fixture
def just_before(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Let another process work just before the next call of a method of the objects."""

    def interrupt(name: str, work: Callable[[], object]) -> None:
        method = getattr(FolderObjects, name)

        def called(*arguments: Any) -> Any:
            result = list(method(*arguments)) if name == "list" else None
            monkeypatch.undo()
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work).result()
            return method(*arguments) if result is None else result

        monkeypatch.setattr(FolderObjects, name, called)

    return interrupt


def test_a_reader_finds_a_shard_that_is_packed_under_its_hands(store: Store, just_before) -> None:
    fill(store, KEYS)
    just_before("get", lambda: open_store(store.root).pack(KEYS))
    check(store, KEYS[:1])
    assert len(files(store)) == 1


def test_a_reader_of_a_view_that_is_removed_under_its_hands(store: Store, just_before) -> None:
    packed(store)
    just_before("get", lambda: open_store(store.root).remove(KEYS[4]))
    with pytest.raises(DamagedShardError, match="is not a file"):
        store.read(*KEYS)
    assert store.missing(KEYS) == KEYS


def test_two_processes_that_pack_at_once(store: Store, just_before) -> None:
    fill(store, KEYS)
    late = open_store(store.root)
    just_before("list", lambda: open_store(store.root).pack(KEYS))
    late.pack(KEYS)
    assert len(files(store)) == 1
    check(late, KEYS)


def work(root: Path, number: int, rounds: int) -> None:
    """Write, pack, read and remove shards while other processes do the same."""
    store = open_store(root)
    for turn in range(rounds):
        fill(store, store.missing(KEYS))
        store.pack(KEYS)
        for keys in (KEYS, *([key] for key in KEYS)):
            try:
                check(store, keys)
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

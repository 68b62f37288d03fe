"""A store at a URL: several machines see the same predictions, whatever happens meanwhile."""

from __future__ import annotations

import errno
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from numpy.typing import NDArray
from support.s3 import S3Server

from quba_check.errors import StoreError
from quba_check.storage.remote.shared_store import SharedStore
from quba_check.storage.shard import DamagedShardError, ShardKey, shard_file
from quba_check.storage.store import Store

ENTRY = "e" * 32
ROWS = 4
ABOUT = {"model": "net", "view": "fog-3", "outputs": "logits"}
Machine = Callable[[str], SharedStore]


def key_of(number: int, content: str = "a", entry: str = ENTRY) -> ShardKey:
    return ShardKey(entry, number, content * 32, range(number * ROWS, (number + 1) * ROWS))


KEYS = [key_of(number) for number in range(5)]


def columns_of(key: ShardKey) -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng([key.shard, *key.content.encode()])
    return {
        "index": np.array(key.indices),
        "top1": generator.integers(0, 100, ROWS),
        "probabilities": generator.random((ROWS, 3), dtype=np.float32),
    }


def fill(store: Store, keys: Sequence[ShardKey] = KEYS) -> None:
    for key in keys:
        store.write(key, columns_of(key), ABOUT)
    store.close()


def check(store: Store, keys: Sequence[ShardKey] = KEYS) -> None:
    """Check that a store has exactly the rows that were written."""
    for key in keys:
        shard = store.read(key)
        for name, column in columns_of(key).items():
            np.testing.assert_array_equal(shard.columns[name], column)


@pytest.fixture
def url(s3: S3Server) -> str:
    return f"{s3.new_bucket()}/store"


@pytest.fixture
def machine(url: str, tmp_path: Path) -> Iterator[Machine]:
    """Open the store as another machine or process does, with a folder of its own."""
    opened: list[SharedStore] = []

    def open_as(name: str) -> SharedStore:
        opened.append(SharedStore(url, tmp_path / name))
        return opened[-1]

    yield open_as
    for store in opened:
        store.close()


def predictions(s3: S3Server, url: str) -> list[str]:
    return sorted(s3.names(f"{url}/predictions/{ENTRY}"))


def test_another_machine_reads_what_one_wrote(machine: Machine, s3: S3Server, url: str) -> None:
    first = machine("first")
    assert not any(map(first.has, KEYS))
    fill(first)
    check(first)
    second = machine("second")
    assert all(map(second.has, KEYS))
    assert second.has_entry(ENTRY)
    assert second.missing([*KEYS, key_of(5), key_of(0, "b")]) == [key_of(5), key_of(0, "b")]
    check(second)
    assert len(predictions(s3, url)) == 5


def test_a_complete_view_is_one_object(machine: Machine, s3: S3Server, url: str) -> None:
    first, second = machine("first"), machine("second")
    fill(first)
    assert all(map(second.has, KEYS))  # it knows the shards by their own files
    first.pack(KEYS)
    (name,) = predictions(s3, url)
    assert name.startswith("00000-00004-")
    check(first)
    check(second)
    packed = machine("third").read_packed(KEYS)
    assert packed is not None
    np.testing.assert_array_equal(packed.columns["index"], np.arange(20))


def test_a_machine_packs_the_shards_of_others(machine: Machine, s3: S3Server, url: str) -> None:
    first, second = machine("first"), machine("second")
    fill(first, KEYS[:2])
    fill(second, KEYS[2:])
    third = machine("third")
    third.pack(KEYS)
    assert len(predictions(s3, url)) == 1
    check(third)


def test_packs_of_some_shards_are_merged(machine: Machine, s3: S3Server, url: str) -> None:
    first = machine("first")
    fill(first, KEYS[:3])
    first.pack(KEYS[:3])
    second = machine("second")
    fill(second, KEYS[3:])
    second.pack(KEYS)
    assert len(predictions(s3, url)) == 1
    check(machine("third"))


def test_an_incomplete_view_is_not_packed(machine: Machine, s3: S3Server, url: str) -> None:
    first = machine("first")
    fill(first, KEYS[:3])
    first.pack(KEYS)
    assert len(predictions(s3, url)) == 3


@pytest.mark.parametrize("size", [None, 300, -1], ids=["whole", "without header", "cut off"])
def test_a_pack_that_was_not_completed_is_completed(
    machine: Machine, s3: S3Server, url: str, size: int | None
) -> None:
    fill(machine("first"))
    first = machine("first")
    kept = {name: first.remote.read(f"predictions/{ENTRY}/{name}") for name in predictions(s3, url)}
    first.pack(KEYS)
    (pack,) = (f"predictions/{ENTRY}/{name}" for name in predictions(s3, url))
    first.remote.replace(pack, first.remote.read(pack)[:size])
    for name, content in kept.items():  # as if the process had been killed before it removed them
        first.remote.replace(f"predictions/{ENTRY}/{name}", content)
    second = machine("second")
    assert second.missing(KEYS) == []
    second.pack(KEYS)
    assert len(predictions(s3, url)) == 1
    check(second)
    check(machine("third"))


def test_a_damaged_copy_of_a_pack_is_not_written_at_the_url(machine: Machine, s3: S3Server, url: str) -> None:
    first = machine("first")
    fill(first, KEYS[:3])
    first.pack(KEYS[:3])
    (copy,) = first.path(KEYS[0]).parent.iterdir()
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    fill(first, KEYS[3:])
    first.pack(KEYS)
    assert len(predictions(s3, url)) == 3
    check(machine("second"))
    first.pack(KEYS)  # of a copy that was fetched again
    assert len(predictions(s3, url)) == 1
    check(machine("third"))


def test_machines_at_once_complete_a_view(machine: Machine, s3: S3Server, url: str) -> None:
    many = [key_of(number) for number in range(150)]  # of three leases
    written: list[ShardKey] = []

    def work(name: str) -> None:
        store = machine(name)
        left = many
        while left:
            busy = []
            for key in left:
                if store.has(key):
                    continue
                with store.try_lock(f"{ENTRY}/{key.shard}") as is_held:
                    if not is_held:
                        busy.append(key)
                    elif not store.has_now(key):
                        store.write(key, columns_of(key), ABOUT)
                        written.append(key)
            left = busy
        store.pack(many)
        check(store, many)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, ["first", "second", "third"]))
    assert {key.shard for key in written} == set(range(150))
    assert len(written) < 2 * 150  # a lease may have two owners for a moment
    assert len(predictions(s3, url)) == 1
    check(machine("fourth"), many)


def test_requests_of_a_reader(machine: Machine, s3: S3Server) -> None:
    first = machine("first")
    fill(first)
    first.pack(KEYS)
    second = machine("second")
    with s3.counted() as requests:
        assert second.has_entry(ENTRY)
        assert second.missing(KEYS) == []
        assert all(map(second.has, KEYS))
        second.pack(KEYS)
    assert requests == {"LIST": 1}
    with s3.counted() as requests:
        assert second.read_packed(KEYS) is not None
        check(second)
    assert requests == {"GET": 1}
    third = machine("second")  # a later process of the same machine
    with s3.counted() as requests:
        check(third)
    assert requests == {"LIST": 1}


def test_a_reader_does_not_pack_again(machine: Machine, s3: S3Server) -> None:
    first, second = machine("first"), machine("second")
    fill(first)
    assert second.missing(KEYS) == []
    first.pack(KEYS)
    with s3.counted() as requests:
        second.pack(KEYS)
    assert requests == {"LIST": 1}


def test_requests_of_a_writer(machine: Machine, s3: S3Server) -> None:
    first = machine("first")
    with s3.counted() as requests:
        assert first.missing(KEYS) == KEYS
        for key in KEYS:
            assert not first.has(key)
            with first.try_lock(f"{ENTRY}/{key.shard}") as is_held:
                assert is_held
                assert not first.has_now(key)
                first.write(key, columns_of(key), ABOUT)
        first.pack(KEYS)
        first.close()
    # A lease, its owner and a pack more than the shards. Shards are listed for the plan and with the lease,
    # leases at the end.
    assert requests == {"LIST": 3, "PUT": 2 + 5 + 1, "POST": 1, "DELETE": 2}


def test_a_shard_of_another_writer_is_seen_with_the_lease(machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    assert not second.has(KEYS[0])
    fill(first)
    assert not second.has(KEYS[0])  # nothing is listed twice without a reason
    with second.try_lock(f"{ENTRY}/0") as is_held:
        assert is_held
        assert second.has_now(KEYS[0])


def test_a_lease_is_held_by_one_process(machine: Machine, s3: S3Server, url: str) -> None:
    first, second = machine("first"), machine("second")
    with first.try_lock(f"{ENTRY}/0") as is_held:
        assert is_held
        with first.try_lock(f"{ENTRY}/0") as again:
            assert again  # else it would wait for itself
        with first.try_lock(f"{ENTRY}/1") as other:
            assert other
        with second.try_lock(f"{ENTRY}/1") as other:
            assert not other
        with second.try_lock(f"{ENTRY}/64") as other:  # of another group of shards
            assert other
        with second.try_lock("demo") as other:
            assert other
    first.close()
    second.close()
    assert s3.names(f"{url}/leases") == []


def test_shards_of_another_writer_are_seen_while_its_lease_holds(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = machine("first"), machine("second")
    assert not second.has(KEYS[0])
    with first.try_lock(f"{ENTRY}/0"):
        first.write(KEYS[0], columns_of(KEYS[0]), ABOUT)
        first.remote.replace("flush", b"")
        first._uploads.flush()
        with second.try_lock(f"{ENTRY}/0") as is_held:
            assert not is_held
        assert second.has(KEYS[0])


def test_a_write_does_not_replace_another(machine: Machine, s3: S3Server, url: str) -> None:
    first, second = machine("first"), machine("second")
    assert not second.has(KEYS[0])
    fill(first, KEYS[:1])
    before = first.remote.listing("predictions/")
    fill(second, KEYS[:1])
    assert second.remote.listing("predictions/") == before


def test_a_damaged_copy_is_fetched_again(machine: Machine) -> None:
    first = machine("first")
    fill(first)
    path = first.path(KEYS[0])
    path.write_bytes(path.read_bytes()[:-3])
    check(first)
    first.pack(KEYS)
    (pack,) = path.parent.iterdir()
    pack.write_bytes(pack.read_bytes()[:-3])
    assert first.read_packed(KEYS) is None
    check(first)
    assert first.read_packed(KEYS) is not None


@pytest.mark.parametrize(
    ("key", "rest", "problem"),
    [
        (KEYS[0], -3, "cannot be read"),
        (key_of(0, entry="f" * 32), None, "it is of another model, view or settings"),
        (key_of(0, "b"), None, "it is of other images"),
    ],
)
def test_a_damaged_object_is_removed(
    machine: Machine, s3: S3Server, url: str, key: ShardKey, rest: int | None, problem: str
) -> None:
    fill(machine("first"))
    second = machine("second")
    name = f"predictions/{ENTRY}/00000-{'a' * 16}.safetensors"
    second.remote.replace(name, shard_file(key, columns_of(KEYS[0]), ABOUT)[:rest])
    with pytest.raises(DamagedShardError, match=problem):
        second.read(KEYS[0])
    assert second.has(KEYS[0])
    second.remove(KEYS[0])
    assert not second.has(KEYS[0])
    assert len(predictions(s3, url)) == 4
    fill(second, KEYS[:1])
    check(second)


def cut_off(content: bytes) -> bytes:
    """Return a pack whose header cannot be read."""
    return content[:200]


def test_a_damaged_copy_of_a_pack_holds_no_other_shards(machine: Machine) -> None:
    """Images of one shard changed, and the copy of the pack with the former ones is damaged."""
    first = machine("first")
    fill(first)
    first.pack(KEYS)
    (copy,) = first.path(KEYS[0]).parent.iterdir()
    changed = key_of(1, "b")
    copy.write_bytes(cut_off(copy.read_bytes()))
    assert not machine("first").has(changed)
    copy.write_bytes(cut_off(copy.read_bytes()))
    later = machine("first")
    later.remove(changed)
    check(later)
    check(machine("second"))
    copy.write_bytes(cut_off(copy.read_bytes()))
    last = machine("first")
    assert last.missing(KEYS) == []
    last.remove(KEYS[0])
    check(machine("third"), KEYS[1:])


def test_a_pack_that_is_damaged_at_the_url_is_removed_and_written_again(
    machine: Machine, s3: S3Server, url: str
) -> None:
    first = machine("first")
    fill(first)
    first.pack(KEYS)
    (name,) = predictions(s3, url)
    whole = first.remote.read(f"predictions/{ENTRY}/{name}")
    first.remote.replace(f"predictions/{ENTRY}/{name}", cut_off(whole))
    changed = key_of(1, "b")
    second = machine("second")
    with s3.counted() as requests:
        assert second.missing([changed, key_of(2, "b")]) == []  # the pack may hold them
    assert requests == {"LIST": 1, "GET": 2}
    with pytest.raises(DamagedShardError):
        second.read(changed)
    first.remote.replace(f"predictions/{ENTRY}/{name}", whole)  # another machine completed it
    with pytest.raises(DamagedShardError):
        second.read(changed)
    assert not second.has(changed)
    check(second)
    first.remote.replace(f"predictions/{ENTRY}/{name}", cut_off(whole))
    third = machine("third")
    assert third.has(changed)
    third.publish(f"predictions/{ENTRY}/{name}", whole)
    assert not third.has(changed)
    first.remote.replace(f"predictions/{ENTRY}/{name}", cut_off(whole))
    third = machine("fourth")
    third.remove(changed)
    assert not third.has(changed)
    assert predictions(s3, url) == []
    fill(third)
    third.pack(KEYS)
    check(machine("fifth"))


def test_a_shard_is_removed_from_a_pack(machine: Machine, s3: S3Server, url: str) -> None:
    first = machine("first")
    fill(first)
    first.pack(KEYS)
    second = machine("second")
    second.remove(KEYS[1])
    assert len(predictions(s3, url)) == 1
    third = machine("third")
    assert third.missing(KEYS) == [KEYS[1]]
    check(third, [KEYS[0], *KEYS[2:]])
    second.remove(*KEYS)
    assert predictions(s3, url) == []


def test_shards_of_other_images_do_not_pass_for_ours(machine: Machine) -> None:
    others = [key_of(number, "b") for number in range(5)]
    first = machine("first")
    fill(first, others)
    first.pack(others)
    second = machine("second")
    assert second.missing(KEYS) == KEYS
    assert not second.has(KEYS[0])
    assert second.read_packed(KEYS) is None


def test_a_file_that_cannot_be_written_stops_the_run(
    machine: Machine, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machine("first")

    def refuse(*_: object) -> bool:
        raise StoreError("--quba-store: the bucket is closed.")

    with monkeypatch.context() as patch:
        patch.setattr(first.remote, "create", refuse)
        first.write(KEYS[0], columns_of(KEYS[0]), ABOUT)
        with pytest.raises(StoreError, match="the bucket is closed"):
            first.pack(KEYS[:2])


def test_a_failed_pack_changes_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = machine("first")
    fill(first)

    def refuse(*_: object) -> bool:
        raise StoreError("--quba-store: the bucket is closed.")

    with monkeypatch.context() as patch:
        patch.setattr(first.remote, "replace", refuse)
        first.pack(KEYS)
    check(first)
    check(machine("second"))
    first.pack(KEYS)
    check(machine("third"))


@contextmanager
def damaged_copy(store: SharedStore, patch: pytest.MonkeyPatch) -> Iterator[None]:
    store.path(KEYS[0]).write_bytes(b"x" * 100)
    yield


@contextmanager
def lock_of_another_process(store: SharedStore, patch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadPoolExecutor(1) as other:  # a thread is to a lock as another process
        lock = store._pack_lock(ENTRY, timeout=0)
        assert other.submit(lock.__enter__).result()
        yield
        other.submit(lock.__exit__, None, None, None).result()


@contextmanager
def full_disk(store: SharedStore, patch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with patch.context() as patched:
        patched.setattr("quba_check.storage.store.write_pack", refuse)
        yield


@contextmanager
def other_types(store: SharedStore, patch: pytest.MonkeyPatch) -> Iterator[None]:
    store.remove(KEYS[0])
    columns = columns_of(KEYS[0])
    store.write(KEYS[0], columns | {"probabilities": columns["probabilities"].astype(np.float64)}, ABOUT)
    yield


@pytest.mark.parametrize("obstacle", [damaged_copy, lock_of_another_process, full_disk, other_types])
def test_shards_that_cannot_be_packed_stay(
    machine: Machine,
    s3: S3Server,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    obstacle: Callable[[SharedStore, pytest.MonkeyPatch], AbstractContextManager[None]],
) -> None:
    first = machine("first")
    fill(first)
    with obstacle(first, monkeypatch):
        first.pack(KEYS)
    assert len(predictions(s3, url)) == 5
    assert first.missing(KEYS) == machine("second").missing(KEYS) == []


def test_a_copy_that_is_evicted_meanwhile_stays_at_the_url(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process of this machine bounds the copies while this one packs or removes shards."""
    others = [key_of(number, "b") for number in range(5)]
    first = machine("first")
    fill(first, others)
    first.pack(others)
    (copy,) = first.path(KEYS[0]).parent.iterdir()
    fill(first)

    def evicting(method: str) -> Callable[..., None]:
        original = getattr(Store, method)

        def call(*arguments: Any) -> None:
            original(*arguments)
            copy.unlink(missing_ok=True)

        return call

    for method in ("pack", "remove"):
        monkeypatch.setattr(Store, method, evicting(method))
    first.pack(KEYS)
    check(machine("second"), others)
    first.read(others[0])
    assert copy.exists()
    first.remove(KEYS[0])
    check(machine("third"), [*others, *KEYS[1:]])


def test_copies_are_bounded(url: str, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SharedStore(url, tmp_path / "first", copies_bytes=3_000)
    many = [key_of(number) for number in range(20)]
    fill(store, many)
    monkeypatch.setattr("quba_check.storage.remote.local_copies._STARTED", 2e9)  # as in a later process
    fill(store, [key_of(20)])
    copies = list((tmp_path / "first" / "predictions").rglob("*.safetensors"))
    assert sum(path.stat().st_size for path in copies) <= 3_000
    assert store.path(key_of(20)) in copies
    check(store, many)


def test_small_files_are_shared(machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    assert first.published("active") == {}
    first.publish("active/a.json", b"1")
    second.publish("active/b.json", b"2")
    assert (
        first.published("active")
        == second.published("active")
        == {
            "active/a.json": b"1",
            "active/b.json": b"2",
        }
    )
    first.publish("active/a.json", b"3")
    assert second.published("active")["active/a.json"] == b"3"
    second.withdraw("active/a.json")
    second.withdraw("active/a.json")
    assert list(first.published("active")) == ["active/b.json"]


def test_only_changed_small_files_are_read_again(machine: Machine, s3: S3Server) -> None:
    first, second = machine("first"), machine("second")
    for name in "abc":
        first.publish(f"active/{name}.json", b"1")
    second.published("active")
    first.publish("active/b.json", b"2")
    with s3.counted() as requests:
        second.published("active")
    assert requests == {"LIST": 1, "GET": 1}


def test_files_are_listed_by_name(machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    fill(first, KEYS[:1])
    first.publish("runs/demo.json", b"{}")
    (second.root / "images").mkdir()
    (second.root / "images" / "x.images").write_bytes(b"xy")
    files = {file.name: file.size for file in second.files()}
    shard = f"predictions/{ENTRY}/00000-{'a' * 16}.safetensors"
    assert files["runs/demo.json"] == 2
    assert files["images/x.images"] == 2
    assert shard in files
    assert second.start_of(shard, 8) == first.path(KEYS[0]).read_bytes()[:8]
    assert second.local_file(shard).read_bytes() == first.path(KEYS[0]).read_bytes()
    assert second.start_of("images/x.images", 1) == b"x"
    with pytest.raises(StoreError, match=r"/runs/none\.json does not exist"):
        second.start_of("runs/none.json", 8)
    assert not second.local_file("runs/none.json").exists()
    second.withdraw(shard)
    assert not first.remote.listing(shard)
    assert not second.has(KEYS[0])


def test_a_file_without_a_time_counts_as_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SharedStore("memory://store", tmp_path)
    entries = {
        "/store/runs/a.json": {"type": "file", "size": 2},
        "/store/runs/b.json": {"type": "file", "size": 2, "mtime": 0.0},
    }
    monkeypatch.setattr(MemoryFileSystem, "find", lambda *_, **__: entries)
    before = time.time()
    modified = {file.name: file.modified for file in store.files()}
    assert before <= modified["runs/a.json"] <= time.time()
    assert modified["runs/b.json"] == 0.0


def test_temporary_copies(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = machine("first")
    store.publish("runs/demo.json", b"{}")
    (store.root / "runs" / "demo.json").write_bytes(b"a copy")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with store.folder_with("runs/demo.json", "runs/none.json") as folder:
        assert folder.parent == tmp_path
        assert (folder / "runs" / "demo.json").read_bytes() == b"{}"
        assert not (folder / "runs" / "none.json").exists()
    assert not folder.exists()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StoreError) as caught, store.folder_with("runs/demo.json"):
        pass
    assert str(caught.value) == (
        f"--quba-store: files of {store.shown} cannot be copied to this machine (No such file or directory). "
        "Allowed: a folder for temporary files, $TMPDIR, with room for the largest files of the store."
    )


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_of_this_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    fill(SharedStore("memory://store", tmp_path / "first"), KEYS[:1])
    store = SharedStore("memory://store", tmp_path / "second")
    store.publish("runs/demo.json", b"{}")
    monkeypatch.setattr(MemoryFileSystem, "get_file", full_disk)
    calls = {
        "runs/demo.json": [lambda: store.local_file("runs/demo.json"), lambda: store.fetch("runs/demo")],
        store.path(KEYS[0]).relative_to(store.root).as_posix(): [lambda: store.read(KEYS[0])],
    }
    for name, readers in calls.items():
        for read in readers:
            with pytest.raises(StoreError) as caught:
                read()
            assert str(caught.value) == (
                f"--quba-store: {store.root / name} cannot be written (No space left on device). Allowed: a "
                "folder of this machine that you may write to, with free space. Copies of files at a URL are "
                "in the user's cache; XDG_CACHE_HOME moves it."
            )


def test_a_folder_for_copies_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        SharedStore("memory://store", tmp_path / "file" / "x")
    assert str(caught.value) == (
        f"--quba-store: {tmp_path / 'file' / 'x'} cannot be written (Not a directory). Allowed: a folder of "
        "this machine that you may write to, with free space. Copies of files at a URL are in the user's "
        "cache; XDG_CACHE_HOME moves it."
    )


def test_a_record_that_cannot_be_read(machine: Machine) -> None:
    store = machine("first")
    (store.root / "runs" / "demo.json").mkdir()
    with pytest.raises(StoreError) as caught:
        store.upload("runs/demo.json")
    assert str(caught.value) == (
        f"--quba-store: {store.root / 'runs' / 'demo.json'} cannot be read (Is a directory)."
    )


def test_records_are_copied_both_ways(machine: Machine) -> None:
    first, second = machine("first"), machine("second")
    (first.root / "runs" / "demo.json").write_bytes(b"{}")
    first.upload("runs/demo.json")
    first.upload("runs/none.json")
    second.fetch("runs/demo")
    assert (second.root / "runs" / "demo.json").read_bytes() == b"{}"


def test_a_store_of_a_later_version_is_refused(machine: Machine, url: str) -> None:
    first = machine("first")
    assert json.loads(first.remote.read("format.json")) == {"format": 1}
    first.remote.replace("format.json", b'{"format": 2}')
    with pytest.raises(StoreError) as caught:
        machine("second")
    assert str(caught.value) == (
        f"--quba-store: {url} has format 2 of a later version of quba-check. Allowed: up to format 1. "
        "Update quba-check, or name another store."
    )
    first.remote.replace("format.json", b"{")
    with pytest.raises(StoreError) as caught:
        machine("second")
    assert str(caught.value) == (
        f"--quba-store: {url}/format.json is damaged. Allowed: a JSON object with the key 'format'. Remove "
        "the file if this version wrote the store."
    )


def test_objects_copied_from_a_folder_are_read(machine: Machine, tmp_path: Path) -> None:
    folder = Store(tmp_path / "folder")
    fill(folder)
    folder.pack(KEYS)
    first = machine("first")
    for file in folder.files():
        if file.name.startswith("predictions/"):
            first.publish(file.name, folder.local_file(file.name).read_bytes())
    assert first.missing(KEYS) == []
    check(first)


def test_leases_end_when_the_process_ends_normally(s3: S3Server, url: str, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = f"""
from pathlib import Path
from quba_check.storage.remote.shared_store import SharedStore
store = SharedStore({url!r}, Path({str(tmp_path / "child")!r}))
with store.try_lock("{ENTRY}/0") as is_held:
    assert is_held
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert s3.names(f"{url}/leases") == []


def test_leases_of_a_killed_process_are_free_at_once_on_its_machine(
    s3: S3Server, url: str, machine: Machine, tmp_path: Path
) -> None:
    import subprocess
    import sys

    code = f"""
import os, signal
from pathlib import Path
from quba_check.storage.remote.shared_store import SharedStore
store = SharedStore({url!r}, Path({str(tmp_path / "child")!r}))
with store.try_lock("{ENTRY}/0") as is_held:
    assert is_held
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(s3.names(f"{url}/leases")) == 2
    with machine("first").try_lock(f"{ENTRY}/0") as is_held:
        assert is_held
        assert len(s3.names(f"{url}/leases")) == 2

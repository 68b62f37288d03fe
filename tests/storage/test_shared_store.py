"""A store at a URL: several machines see the same predictions, whatever happens meanwhile."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.s3 import S3Server
from support.stored import ENTRY, check, fill, key_of

from quba_check.storage.shard import DamagedShardError
from quba_check.storage.store import Store
from quba_check.storage.url_objects import UrlObjects

Machine = Callable[[str], Store]
KEYS = [key_of(number) for number in range(5)]


@pytest.fixture
def url(s3: S3Server) -> str:
    return f"{s3.new_bucket()}/store"


@pytest.fixture
def machine(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Open the store as another machine or process does, with a folder of its own."""
    monkeypatch.setattr(UrlObjects, "listing_seconds", 0.0)
    opened: list[Store] = []

    def open_as(name: str) -> Store:
        opened.append(Store(tmp_path / name, UrlObjects(url)))
        return opened[-1]

    yield open_as
    for store in opened:
        store.close()


def predictions(s3: S3Server, url: str) -> list[str]:
    return sorted(s3.names(f"{url}/predictions/{ENTRY}"))


def test_machines_read_what_others_wrote_before_and_after_packing(
    machine: Machine, s3: S3Server, url: str
) -> None:
    first = machine("first")
    second = machine("second")
    assert not first.has_entry(ENTRY)
    fill(first, KEYS[:3])
    fill(second, KEYS[3:])
    first.close()
    second.close()
    assert first.missing(KEYS) == second.missing(KEYS) == []
    check(second, KEYS)
    assert len(predictions(s3, url)) == 5
    machine("third").pack(KEYS)
    (name,) = predictions(s3, url)
    assert name.startswith("00000-00004-")
    for store in (first, second, machine("fourth")):
        check(store, KEYS)
        check(store, KEYS[2:3])
    first.remove(KEYS[1])
    assert predictions(s3, url) == []
    assert machine("fifth").missing(KEYS) == KEYS


def test_requests_of_a_reader(machine: Machine, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = machine("first")
    fill(first, KEYS)
    first.pack(KEYS)
    monkeypatch.setattr(UrlObjects, "listing_seconds", 60.0)
    second = machine("second")
    with s3.counted() as requests:
        assert second.has_entry(ENTRY)
        assert second.missing(KEYS) == []
        assert all(map(second.has, KEYS))
        second.read(*KEYS)
        second.pack(KEYS)
        Store(second.root, UrlObjects(first.label)).read(*KEYS)
    assert requests == {"LIST": 2, "GET": 1}


def test_requests_of_a_writer(machine: Machine, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UrlObjects, "listing_seconds", 60.0)
    store = machine("first")
    with s3.counted() as requests:
        for key in KEYS:
            assert not store.has(key)
            fill(store, [key])
        store.pack(KEYS)
        check(store, KEYS)
    assert requests == {"LIST": 1, "PUT": len(KEYS) + 1, "POST": 1}


def test_shards_of_another_machine_are_seen_after_a_while(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machine("first")
    second = machine("second")
    monkeypatch.setattr(UrlObjects, "listing_seconds", 60.0)
    assert not second.has(KEYS[0])
    fill(first, KEYS)
    first.close()
    second.objects.listing_seconds = 60.0
    assert not second.has(KEYS[0])
    second.objects.listing_seconds = 0.0
    assert second.has(KEYS[0])


def test_machines_begin_at_different_shards(machine: Machine, tmp_path: Path) -> None:
    store = machine("first")
    assert store.first_shard(ENTRY) == store.first_shard(ENTRY) != store.first_shard("f" * 32)
    assert len({machine("first").first_shard(ENTRY) % 196 for _ in range(10)}) > 1
    assert Store(tmp_path).first_shard(ENTRY) == 0


def test_machines_at_once_complete_a_view(machine: Machine, s3: S3Server, url: str) -> None:
    machines = [machine(f"machine-{number}") for number in range(3)]

    def work(store: Store) -> None:
        for key in KEYS:
            if not store.has(key):
                fill(store, [key])
        store.pack(KEYS)
        check(store, KEYS)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, machines))
    machines[0].pack(KEYS)
    assert len(predictions(s3, url)) == 1
    check(machine("last"), KEYS)


def test_a_damaged_object_is_removed_and_written_again(machine: Machine, s3: S3Server, url: str) -> None:
    first = machine("first")
    fill(first, KEYS)
    first.pack(KEYS)
    (name,) = predictions(s3, url)
    key = f"store/predictions/{ENTRY}/{name}"
    s3.client().put_object(Bucket=url.split("/")[2], Key=key, Body=b"cut")
    second = machine("second")
    for _ in range(2):
        with pytest.raises(DamagedShardError, match="its header is cut off"):
            second.read(*KEYS)
    second.remove(KEYS[0])
    assert predictions(s3, url) == []
    fill(second, second.missing(KEYS))
    second.pack(KEYS)
    assert predictions(s3, url) == [name]
    check(machine("third"), KEYS)


def test_records_are_copied_to_the_url(machine: Machine) -> None:
    first = machine("first")
    second = machine("second")
    first.local.set("runs/a.json", b"{}")
    first.upload("runs/a.json")
    first.upload("runs/none.json")
    assert [file.name for file in second.objects.list("runs")] == ["runs/a.json"]
    assert second.objects.get("runs/a.json") == b"{}"


def test_files_are_those_at_the_url_and_of_this_machine(machine: Machine) -> None:
    store = machine("first")
    fill(store, KEYS[:1])
    store.close()
    store.local.set("runs/copy.json", b"")
    store.local.set("images/a.npy", b"")
    store.objects.set("compute/a.txt", b"")
    names = {file.name for file in store.files()}
    own = f"predictions/{ENTRY}/00000-{'a' * 16}.safetensors"
    assert names == {own, "compute/a.txt", "images/a.npy"}
    store.delete_files(names)
    assert list(store.files()) == []
    assert not store.has(KEYS[0])

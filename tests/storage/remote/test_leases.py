"""Leases between machines: one owner at a time, and none that is dead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from quba_check.errors import StoreError
from quba_check.storage.remote import leases
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.leases import Leases

Owner = Callable[[], Leases]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[RemoteFiles]:
    yield RemoteFiles(f"memory://{tmp_path.name}", "--quba-store")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def owner(files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    """Make another owner; no time passes between two requests for a lease."""
    monkeypatch.setattr(leases, "ASK_SECONDS", 0.0)
    made: list[Leases] = []

    def make() -> Leases:
        made.append(Leases(files, "leases", lambda: None))
        return made[-1]

    yield make
    for each in made:
        each.close()


def elsewhere(files: RemoteFiles, name: str) -> None:
    """Let the lease of a name be one of another machine."""
    path = f"leases/{name}.json"
    values = json.loads(files.read(path))
    files.replace(path, json.dumps(values | {"machine": "another"}).encode())


def names(files: RemoteFiles) -> list[str]:
    return [name.removeprefix("leases/") for name in files.listing("leases/")]


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_one_owner_has_a_lease(owner: Owner, files: RemoteFiles) -> None:
    first, second = owner(), owner()
    assert first.take("a") is not None
    assert first.take("a") == first.take("a")
    assert second.take("a") is None
    assert second.take("b") is not None
    first.close()
    assert second.take("a") is not None
    second.close()
    assert names(files) == []


def test_an_unused_lease_is_kept_for_a_while(
    owner: Owner, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = owner(), owner()
    acquired = first.take("a")
    first.take("b")
    first.give("a")
    assert second.take("a") is None
    assert first.take("a") == acquired
    first.give("a")
    monkeypatch.setattr(leases, "LINGER_SECONDS", 0.0)
    wait_until(lambda: "a.json" not in names(files))
    assert "b.json" in names(files)
    assert second.take("a") is not None


def test_unused_leases_are_released_on_request(owner: Owner, files: RemoteFiles) -> None:
    done: list[str] = []
    first = Leases(files, "leases", lambda: done.append("flushed"))
    first.take("a")
    first.take("b")
    first.give("b")
    first.release(["a", "b", "c"])
    assert "a.json" in names(files)
    assert "b.json" not in names(files)
    assert done == ["flushed"]
    first.close()
    first.give("a")  # an order that ends after the store was closed


def test_a_lease_of_another_machine_is_watched(
    owner: Owner, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = owner(), owner()
    first.take("a")
    elsewhere(files, "a")
    assert second.take("a") is None
    assert second.take("a") is None
    monkeypatch.setattr(leases, "DEAD_SECONDS", 0.0)
    assert second.take("a") is not None
    assert f"owner-{first.owner}.json" not in names(files)
    first.take("b")
    files.remove(f"leases/owner-{first.owner}.json")
    second.close()
    assert names(files) == []  # also the lease that nobody asked for


def test_a_process_id_that_is_used_again_holds_no_lease(
    owner: Owner, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that restarts has the same name and often the same process ids."""
    first, second = owner(), owner()
    first.take("a")
    first.take("b")
    assert second.take("a") is None
    monkeypatch.setattr(leases, "DEAD_SECONDS", 0.0)
    assert second.take("a") is not None
    assert second.take("b") is not None  # the file of its owner was removed


def test_a_living_owner_writes_its_file_again(
    owner: Owner, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    first = owner()
    first.take("a")
    path = f"leases/owner-{first.owner}.json"
    before = files.read(path)
    wait_until(lambda: files.read(path) != before)


def test_an_owner_of_long_ago_is_not_watched(owner: Owner, files: RemoteFiles) -> None:
    first, second = owner(), owner()
    first.take("a")
    elsewhere(files, "a")
    path = f"leases/owner-{first.owner}.json"
    files.replace(path, json.dumps({"time": time.time() - 2 * leases.LONGEST_AGE}).encode())
    assert second.take("a") is not None


def test_an_owner_without_a_file_has_ended(owner: Owner, files: RemoteFiles) -> None:
    first, second = owner(), owner()
    first.take("a")
    elsewhere(files, "a")
    files.remove(f"leases/owner-{first.owner}.json")
    assert second.take("a") is not None


def test_a_damaged_lease_is_free(owner: Owner, files: RemoteFiles) -> None:
    files.replace("leases/a.json", b"{")
    assert owner().take("a") is not None


def test_a_refused_lease_is_not_asked_for_at_once(
    owner: Owner, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "ASK_SECONDS", 1000.0)
    first, second = owner(), owner()
    first.take("a")
    assert second.take("a") is None
    first.close()
    assert second.take("a") is None
    monkeypatch.setattr(leases, "ASK_SECONDS", 0.0)
    assert second.take("a") is not None


def test_a_server_that_fails_for_a_while_ends_no_thread(
    owner: Owner, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    first = owner()
    first.take("a")
    calls: list[str] = []

    def refuse(*_: object) -> None:
        calls.append("refused")
        raise StoreError("--quba-store: the server is down.")

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace", refuse)
        wait_until(lambda: len(calls) > 1)
    path = f"leases/owner-{first.owner}.json"
    before = files.read(path)
    wait_until(lambda: files.read(path) != before)


def test_files_of_owners_of_long_ago_are_removed(
    owner: Owner, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = owner()
    first.take("a")
    for name in names(files):
        files.replace(f"leases/old-{name}", files.read(f"leases/{name}"))
    files.replace("leases/damaged.json", b"{")
    first.close()
    assert len(names(files)) == 3  # they may be those of a living owner
    monkeypatch.setattr(leases, "LONGEST_AGE", -1.0)
    second = owner()
    second.take("b")
    second.close()
    assert names(files) == ["damaged.json"]

"""JSON of a store, of processes and of users, each with hostile contents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.errors import error_text

from quba_check.gate.progress import read_states
from quba_check.storage.active_runs import active_runs
from quba_check.storage.opening import open_store
from quba_check.storage.shard import DamagedShardError, decode_shards
from quba_check.storage.user_files import parse_json

HOSTILE = {
    b"[" * 100_000: "it is nested too deeply",
    b'{"a":' * 100_000: "it is nested too deeply",
    b"1" * 5_000: "it has a whole number of more than 18 digits",
    b"1e999": "it has a number too large to hold",
    b'{"a": 1, "b": 2, "a": 3}': "the key 'a' appears twice",
    b"": "it is not JSON",
    b"\xff": "it is not JSON",
}


@pytest.mark.parametrize("content", HOSTILE)
def test_what_is_wrong(content: bytes) -> None:
    assert error_text(ValueError, parse_json, content) == HOSTILE[content]


def states(folder: Path, content: bytes) -> object:
    (folder / "x.json").write_bytes(content)
    return read_states(folder)


def running(folder: Path, content: bytes) -> object:
    store = open_store(folder)
    store.objects.set("active/x.json", content)
    return active_runs(store.objects)


@pytest.mark.parametrize("content", HOSTILE)
@pytest.mark.parametrize("read", [states, running])
def test_a_damaged_file_counts_as_missing(
    read: Callable[[Path, bytes], object], content: bytes, tmp_path: Path
) -> None:
    assert not read(tmp_path, content)


@pytest.mark.parametrize("content", HOSTILE)
def test_a_damaged_header_is_a_damaged_shard(content: bytes) -> None:
    with pytest.raises(DamagedShardError, match="cannot be read"):
        decode_shards(len(content).to_bytes(8, "little") + content, "x", "x")

"""Shards keep where and when they were predicted, and a fresh run leaves out those from before it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.stored import ABOUT, check, columns_of, fill, key_of

from quba_check.storage.opening import open_store
from quba_check.storage.shard import Origin, ShardKey, decode_shards, encode_shards, object_name
from quba_check.storage.store import FIRST_READ, Store, stored_header

KEYS = [key_of(number) for number in range(4)]
GPU = Origin("cuda", "NVIDIA H100", "bf16", "quba-check 0.3.0, torch 2.9.1", "2026-11-30T08:00:00")
CPU = Origin("cpu", "AMD EPYC", "fp32", "quba-check 0.3.0, torch 2.9.1+cpu", "2026-12-01T08:00:00")


def at(origin: Origin, second: int) -> Origin:
    return replace(origin, time=f"2026-12-01T08:00:{second:02}")


def put(store: Store, key: ShardKey, origin: Origin) -> None:
    store.put(key, encode_shards([key], columns_of(key), ABOUT, [origin]))


def stored(folder: Path, origins: Sequence[Origin]) -> Store:
    store = open_store(folder)
    for key, origin in zip(KEYS, origins, strict=True):
        put(store, key, origin)
    return store


def test_a_pack_keeps_the_origin_of_each_shard(tmp_path: Path) -> None:
    origins = [at(GPU, 1), at(CPU, 2), at(CPU, 3), at(GPU, 4)]
    store = stored(tmp_path, origins)
    assert store.read(*KEYS).origins == tuple(origins)
    store.pack(KEYS)
    for one in (store, open_store(tmp_path)):
        assert one.origins(KEYS) == origins
        assert one.read(*KEYS[1:3]).origins == tuple(origins[1:3])
        assert check(one, KEYS).metadata.items() >= ABOUT.items()


def test_a_header_of_a_large_view_takes_one_read() -> None:
    keys = [key_of(number) for number in range(196)]
    columns = {"index": columns_of(keys[0])["index"].repeat(196)}
    times = [replace(GPU, time=f"2026-12-01T08:00:00.{number:06}+00:00") for number in range(196)]
    content = encode_shards(keys, columns, ABOUT, times)
    assert 8 + int.from_bytes(content[:8], "little") < FIRST_READ / 2


def test_the_origin_of_earlier_shards_is_unknown(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    fill(store, KEYS)
    store.pack(KEYS)
    assert store.origins(KEYS) == [Origin()] * 4
    assert not Origin().is_since(store.run)


@pytest.mark.parametrize("text", ["", "{", "[[],[[0,1]]]", '[[["cuda"]],[]]', "[[[1,2,3,4,5,6,7]],[[0,1]]]"])
def test_a_damaged_origin_is_unknown_and_its_rows_are_read(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quba_check.storage.shard._origins_text", lambda _: text)
    content = encode_shards(KEYS[:1], columns_of(KEYS[0]), ABOUT, [GPU])
    header, _ = decode_shards(content, object_name(KEYS[0].cache_entry, [KEYS[0].id]), "x")
    assert header.origins == {KEYS[0].id: Origin()}


def test_a_fresh_run_finds_only_shards_since_its_start(tmp_path: Path) -> None:
    earlier = "2026-11-30T08:00:00"
    run = "2026-12-01T08:00:02"
    origins = [at(GPU, 1), at(GPU, 3), at(GPU, 1), at(replace(GPU, run=run), 1)]
    stored(tmp_path, origins).pack(KEYS)
    store = open_store(tmp_path)
    store.run = run
    store.is_fresh = True
    # Predicted before its start; since then by another run; before; by another process of this run.
    assert store.missing(KEYS) == [KEYS[0], KEYS[2]]
    assert not replace(GPU, time="2999-01-01T00:00:00").is_since(store.run)
    assert replace(GPU, run=run, time="2999-01-01T00:00:00").is_since(store.run)
    assert GPU.run == earlier


def test_fresh_shards_replace_those_of_a_pack(tmp_path: Path) -> None:
    stored(tmp_path, [at(GPU, 1)] * 4).pack(KEYS)
    fresh = open_store(tmp_path)
    other = open_store(tmp_path)
    fresh.is_fresh = True
    own = replace(CPU, run=fresh.run, time=fresh.run)
    for key in KEYS[:2]:
        assert fresh.replaced(key).origins == (at(GPU, 1),)
        put(fresh, key, own)
    # Another run packs meanwhile what it reads: nothing of the fresh run is lost.
    other.missing(KEYS)
    other.pack(KEYS)
    assert fresh.missing(KEYS) == KEYS[2:]
    for key in KEYS[2:]:
        put(fresh, key, own)
    fresh.pack(KEYS)
    assert open_store(tmp_path).origins(KEYS) == fresh.origins(KEYS) == [own] * 4
    assert len(list((tmp_path / "predictions" / KEYS[0].cache_entry).iterdir())) == 1


def test_a_fresh_shard_replaces_one_of_its_own_name(tmp_path: Path) -> None:
    store = stored(tmp_path, [at(GPU, 1)] * 4)
    store.is_fresh = True
    assert store.missing(KEYS) == KEYS
    put(store, KEYS[0], replace(CPU, run=store.run))
    assert store.has(KEYS[0])
    assert open_store(tmp_path).origins(KEYS[:1])[0].device == "cpu"


def test_nothing_is_replaced_without_stored_rows(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.replaced(KEYS[0]) is None


def test_a_header_is_read_again_with_another_object_of_its_name(tmp_path: Path) -> None:
    store = stored(tmp_path, [at(GPU, 1)] * 4)
    assert store.origins(KEYS[:1]) == [at(GPU, 1)]
    store.remove(KEYS[0])
    put(store, KEYS[0], CPU)
    name = object_name(KEYS[0].cache_entry, [KEYS[0].id])
    size = store.local.path(name).stat().st_size
    assert store.origins(KEYS[:1]) == [*stored_header(store.objects, name, size).origins.values()] == [CPU]

"""Changes at a URL after shards were packed or removed: nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.storage.packs import PackListing, pack_name
from quba_check.storage.remote.pack_changes import PackChange, packing_change, removal_change
from quba_check.storage.shard import ShardKey
from quba_check.storage.store import shard_file_name

KEYS = [ShardKey("e" * 32, number, "a" * 32, range(number, number + 1)) for number in range(4)]
FILES = {shard_file_name(key) for key in KEYS}


def pack_of(*keys: ShardKey) -> PackListing:
    ids = sorted(key.id for key in keys)
    return PackListing(Path(pack_name(ids)), frozenset(ids))


def unreadable(pack: PackListing) -> PackListing:
    return PackListing(pack.path, None)


WHOLE, SOME, REST = pack_of(*KEYS), pack_of(*KEYS[:2]), pack_of(*KEYS[1:])


@pytest.mark.parametrize("after", [[], [SOME], [unreadable(WHOLE)]])
def test_nothing_changes_without_a_pack_of_all_shards(after: list[PackListing]) -> None:
    assert packing_change(KEYS, [SOME], after) == PackChange()


def test_a_pack_replaces_its_shards_and_the_packs_within_it() -> None:
    other = pack_of(KEYS[0], ShardKey("e" * 32, 1, "b" * 32, range(1)))
    change = packing_change(KEYS, [SOME, other, unreadable(REST), WHOLE], [other, WHOLE])
    assert change == PackChange(frozenset({WHOLE.path.name}), frozenset(FILES | {SOME.path.name}))


def test_a_removal_replaces_a_pack_by_one_of_its_other_shards() -> None:
    old = {shard_file_name(KEYS[0]), WHOLE.path.name}
    change = removal_change(KEYS[:1], [WHOLE], [REST.path.name])
    assert change == PackChange(frozenset({REST.path.name}), frozenset(old))


def test_a_pack_stays_if_its_other_shards_are_not_here() -> None:
    change = removal_change(KEYS[:1], [WHOLE], [WHOLE.path.name])
    assert change == PackChange(frozenset(), frozenset({shard_file_name(KEYS[0])}))


@pytest.mark.parametrize("pack", [WHOLE, unreadable(WHOLE)])
def test_a_pack_without_other_shards_is_removed(pack: PackListing) -> None:
    assert removal_change(KEYS, [pack], []) == PackChange(frozenset(), frozenset(FILES | {pack.path.name}))

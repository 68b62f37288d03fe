"""Changes at a URL after shards were packed or removed on this machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from quba_check.storage.packs import PackListing, pack_name
from quba_check.storage.shard import ShardKey
from quba_check.storage.store import shard_file_name


@dataclass(frozen=True, slots=True)
class PackChange:
    """Packs to write, and files to remove afterwards.

    Attributes:
        packs: names of packs on this machine.
        old: names of files whose shards are in these packs, or were removed.
    """

    packs: frozenset[str] = frozenset()
    old: frozenset[str] = frozenset()


def packing_change(
    keys: Sequence[ShardKey], before: Collection[PackListing], after: Collection[PackListing]
) -> PackChange:
    """Return the change after shards were packed; nothing changes if no pack holds them.

    Args:
        keys: the shards.
        before: the packs that were here before.
        after: the packs that are here now.
    """
    ids = {key.id for key in keys}
    for pack in after:
        if pack.shards and ids <= pack.shards:
            merged = {old.path.name for old in before if old.shards and old.shards <= pack.shards}
            old = merged.union(map(shard_file_name, keys)) - {pack.path.name}
            return PackChange(frozenset({pack.path.name}), frozenset(old))
    return PackChange()


def removal_change(
    keys: Sequence[ShardKey], before: Collection[PackListing], names: Collection[str]
) -> PackChange:
    """Return the change after shards were removed.

    A pack stays if the pack of its other shards is missing here.

    Args:
        keys: the shards.
        before: the packs that held some of them.
        names: the files that are here now.
    """
    ids = {key.id for key in keys}
    packs, old = set[str](), set(map(shard_file_name, keys))
    for pack in before:
        left = sorted((pack.shards or frozenset()) - ids)
        replacement = {pack_name(left)} if left else set()
        if replacement <= set(names):
            packs |= replacement
            old.add(pack.path.name)
    return PackChange(frozenset(packs), frozenset(old - packs))

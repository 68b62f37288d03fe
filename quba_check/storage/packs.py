"""Packs: files with many shards of one cache entry.

A pack is a safetensors file of whole columns. Its metadata state the rows and the checksum of each shard, so
that one shard can be read and checked alone. A column of integers is stored in the smallest type that holds
it, and read as the type that it had. The name of a pack depends on the names of its shards: a pack of other
shards is another file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from quba_check.storage.json_text import parse_json
from quba_check.storage.shard import (
    ENTRY,
    OTHER_ENTRY,
    Columns,
    DamagedShardError,
    Shard,
    ShardId,
    checksum,
)
from quba_check.storage.tensor_file import TensorFile, tensor_file

_NAME = re.compile(r"(\d{5,})-(\d{5,})-[0-9a-f]{16}\.safetensors")
_INTEGERS = tuple(np.dtype(f"<i{size}") for size in (1, 2, 4, 8))
_CONTENTS = "pack"
"""Key of the metadata on shards and types; the other keys are metadata that all shards share."""

_CHECKED_ROWS = 4096


@dataclass(frozen=True, slots=True)
class _Member:
    rows: range
    about: Mapping[str, str]


class Pack:
    """An open pack.

    Args:
        path: its path.
        file: the open file.

    Attributes:
        shards: names of its shards, in the order of its rows.

    Raises:
        ValueError: the metadata do not fit the folder, the name or the rows.
    """

    def __init__(self, path: Path, file: TensorFile) -> None:
        self._path = path
        self._file = file
        common = dict(file.metadata)
        contents = parse_json(common.pop(_CONTENTS))
        if common.get(ENTRY) != path.parent.name:
            raise ValueError(OTHER_ENTRY)
        self._members: dict[ShardId, _Member] = {}
        start = 0
        for number, content, rows, about in contents["shards"]:
            self._members[int(number), content] = _Member(range(start, start + rows), common | about)
            start += rows
        self.shards = tuple(self._members)
        self._types = {name: np.dtype(text) for name, text in contents["types"].items()}
        if any(dtype.kind not in "biuf" for dtype in self._types.values()):
            raise ValueError("its types are not those of columns")
        if path.name != pack_name(self.shards):
            raise ValueError("its shards are not those of its name")
        if any(shape[0] != start for shape in file.shapes.values()):
            raise ValueError(f"its columns do not have {start:,} rows")

    def columns(self, shards: Sequence[ShardId]) -> Columns:
        """Return the columns of some of its shards, one after another, unchecked."""
        ranges = _joined(self._members[shard].rows for shard in shards)
        return {
            name: self._file.rows(name, ranges).astype(self._types.get(name, stored), copy=False)
            for name, stored in self._file.types.items()
        }

    def read(self, shards: Sequence[ShardId]) -> Shard:
        """Return the rows of some of its shards, one after another, after checking each checksum.

        Raises:
            DamagedShardError: a checksum does not fit.
        """
        columns = self.columns(shards)
        start = 0
        for shard in shards:
            member = self._members[shard]
            stop = start + len(member.rows)
            rows = {name: column[start:stop] for name, column in columns.items()}
            if checksum(rows) != member.about.get("checksum"):
                raise DamagedShardError(f"{self.place(shard)}: its checksum does not fit its columns")
            start = stop
        place = self.place(shards[0]) if len(shards) == 1 else str(self._path)
        return Shard(columns, _shared([self._members[shard].about for shard in shards]), place)

    def unchecked(self, shard: ShardId) -> Shard:
        """Return one shard with the checksum it had, which may not fit."""
        return Shard(self.columns([shard]), self._members[shard].about, self.place(shard))

    def place(self, shard: ShardId) -> str:
        """Return the place of a shard, for messages."""
        return f"{self._path}: shard {shard[0]}"


@contextlib.contextmanager
def open_pack(path: Path) -> Iterator[Pack]:
    """Open a pack; errors while it is open become `DamagedShardError`.

    Raises:
        FileNotFoundError: the file is not there, or another machine removed it.
        DamagedShardError: the pack cannot be read.
    """
    with tensor_file(path) as file:
        yield Pack(path, file)


def pack_name(shards: Iterable[ShardId]) -> str:
    """Return the file name of a pack, a function of its shards in their order."""
    names = [list(shard) for shard in shards]
    digest = hashlib.blake2b(json.dumps(names).encode(), digest_size=8).hexdigest()
    return f"{names[0][0]:05d}-{names[-1][0]:05d}-{digest}.safetensors"


def is_pack(name: str) -> bool:
    """Return True if a file name is that of a pack."""
    return name.count("-") == 2 and _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class PackListing:
    """A pack and the names of its shards.

    Attributes:
        path: its path.
        shards: names of its shards; None if it cannot be read.
    """

    path: Path
    shards: frozenset[ShardId] | None

    def may_hold(self, shard: ShardId) -> bool:
        """Return True unless the pack is known to lack a shard."""
        if self.shards is not None:
            return shard in self.shards
        first, last = map(int, self.path.name.split("-")[:2])
        return first <= shard[0] <= last


class PackIndex:
    """The names of the shards of packs.

    The header of a pack is read once, since other shards would give it another name.
    """

    def __init__(self) -> None:
        self._listings: dict[Path, PackListing] = {}

    def listing(self, path: Path) -> PackListing:
        """Return the names of a pack's shards, none if the file is gone."""
        if path in self._listings:
            return self._listings[path]
        listing = pack_listing(path)
        if listing.shards:
            self._listings[path] = listing
        return listing


def pack_listing(path: Path) -> PackListing:
    """Return the names of a pack's shards, none if the file is gone."""
    try:
        with open_pack(path) as pack:
            return PackListing(path, frozenset(pack.shards))
    except FileNotFoundError:
        return PackListing(path, frozenset())
    except DamagedShardError:
        return PackListing(path, None)


def check_pack(path: Path) -> None:
    """Check the checksums of all shards of a pack.

    Raises:
        FileNotFoundError: the file is gone.
        DamagedShardError: a checksum does not fit, or the pack cannot be read.
    """
    with open_pack(path) as pack:
        for shard in pack.shards:
            pack.read([shard])


def can_be_packed(shards: Iterable[Shard]) -> bool:
    """Return True if all shards have the same columns, types and shapes of rows."""
    return len({
        tuple(sorted((name, column.dtype.str, column.shape[1:]) for name, column in shard.columns.items()))
        for shard in shards
    }) == 1  # fmt: skip


def write_pack(path: Path, shards: Mapping[ShardId, Shard]) -> None:
    """Write a pack and read it back.

    Args:
        path: the file; a pack is found only if it then gets the name by `pack_name`.
        shards: the shards, with their checksums, in the order of `pack_name`; see `can_be_packed`.

    Raises:
        OSError: the file cannot be written, or differs from what was written.
    """
    first = next(iter(shards.values())).columns
    common = _shared([shard.about for shard in shards.values()])
    common.pop(_CONTENTS, None)
    contents = {
        "shards": [
            [
                *name,
                len(shard.columns["index"]),
                {key: shard.about[key] for key in shard.about.keys() - common},
            ]
            for name, shard in shards.items()
        ],
        "types": {name: column.dtype.str for name, column in first.items()},
    }
    columns = {
        name: _narrow(np.concatenate([shard.columns[name] for shard in shards.values()])) for name in first
    }
    try:
        save_file(columns, path, {**common, _CONTENTS: json.dumps(contents, separators=(",", ":"))})
    except SafetensorError as error:  # also if the disk is full
        raise OSError(errno.EIO, str(error)) from None
    with path.open("rb+") as written:
        os.fsync(written.fileno())  # a power failure must not lose shards whose own files are removed
    with tensor_file(path) as file:
        for name, column in columns.items():
            for start in range(0, len(column), _CHECKED_ROWS):
                rows = range(start, min(start + _CHECKED_ROWS, len(column)))
                if file.rows(name, [rows]).tobytes() != column[rows.start : rows.stop].tobytes():
                    raise OSError(errno.EIO, "the file differs from the shards")


def _narrow(column: NDArray[Any]) -> NDArray[Any]:
    """Return signed integers in the smallest type that holds them."""
    if column.dtype.kind != "i" or not column.size:
        return column
    low, high = column.min(), column.max()
    fits = (kind for kind in _INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return column.astype(next(fits), copy=False)


def _joined(ranges: Iterable[range]) -> list[range]:
    """Return ranges with those that follow each other joined."""
    joined: list[range] = []
    for each in ranges:
        if joined and joined[-1].stop == each.start:
            joined[-1] = range(joined[-1].start, each.stop)
        else:
            joined.append(each)
    return joined


def _shared(abouts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the entries that are the same in all."""
    return {
        key: text for key, text in abouts[0].items() if all(about.get(key) == text for about in abouts[1:])
    }

"""Stored shards: their keys, and the content of objects with their rows.

An object is a safetensors file of columns. Its metadata state the cache entry, the names of its shards with
their numbers of rows and their origins, and a checksum, so that the object of another model, copied over it,
is not taken for it. Integers take four bytes where they fit, and are read as int64.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.errors import StoreError
from quba_check.storage.user_files import parse_json, reason

ShardColumns = Mapping[str, NDArray[Any]]
ShardId = tuple[int, str]
"""Number of a shard and the first 16 digits of its content: its name within a cache entry."""
OWN_METADATA = ENTRY, SHARDS, CHECKSUM, ORIGINS = "entry", "shards", "checksum", "origins"
_LARGEST_HEADER = 10**8


@dataclass(frozen=True, slots=True)
class ShardKey:
    """The key of a shard.

    Attributes:
        cache_entry: hash of model, preprocessing, view and settings.
        shard: its number; it covers the selected images [shard · 256, (shard + 1) · 256).
        content: hash of these images and their labels.
        indices: positions of these images in the set.
    """

    cache_entry: str
    shard: int
    content: str
    indices: Sequence[int]

    @property
    def id(self) -> ShardId:
        """Name of the shard within its cache entry."""
        return self.shard, self.content[:16]


@dataclass(frozen=True, slots=True)
class Origin:
    """Place and time of the predictions of a shard.

    All fields are empty if an earlier version stored it.

    Attributes:
        device: kind of the device, such as `cuda`.
        processor: model name of the GPU or CPU.
        precision: number format of the passes.
        versions: versions of quba-check and of the libraries behind the answers.
        run: start of the run, which identifies it; see `utc_time`.
        time: time at which the run requested the shard, by the same clock.
    """

    device: str = ""
    processor: str = ""
    precision: str = ""
    versions: str = ""
    run: str = ""
    time: str = ""

    @property
    def place(self) -> Origin:
        """The origin without run and time."""
        return replace(self, run="", time="")

    def is_since(self, run: str) -> bool:
        """Return True for predictions since the start of a run, also by another one."""
        return self.run == run or run <= self.time <= utc_time()


@dataclass(frozen=True, slots=True)
class Shard:
    """The rows of one or several stored shards.

    Attributes:
        columns: the columns, all of one length.
        metadata: the metadata; of several objects, those of the first.
        label: the object, for messages.
        origins: the origin of each shard.
    """

    columns: ShardColumns
    metadata: Mapping[str, str]
    label: str
    origins: tuple[Origin, ...]


class DamagedShardError(StoreError):
    """A shard is missing or cannot be trusted."""


@dataclass(frozen=True, slots=True)
class ShardsHeader:
    """The header of an object.

    Attributes:
        metadata: the metadata.
        rows: the rows of each shard.
        origins: the origin of each shard.
    """

    metadata: Mapping[str, str]
    rows: Mapping[ShardId, range]
    origins: Mapping[ShardId, Origin]

    @property
    def images(self) -> int:
        """Number of rows."""
        return sum(map(len, self.rows.values()))


def object_name(entry: str, shards: Sequence[ShardId]) -> str:
    """Return the name of the object of some shards of a cache entry."""
    if len(shards) == 1:
        name = f"{shards[0][0]:05d}-{shards[0][1]}"
    else:
        digest = hashlib.blake2b(json.dumps(shards).encode(), digest_size=8).hexdigest()
        name = f"{shards[0][0]:05d}-{shards[-1][0]:05d}-{digest}"
    return f"predictions/{entry}/{name}.safetensors"


def utc_time(seconds: float | None = None) -> str:
    """Return a Unix time, by default now, in ISO 8601: text that sorts by time.

    >>> utc_time(0)
    '1970-01-01T00:00:00.000000+00:00'
    """
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds")


def encode_shards(
    keys: Sequence[ShardKey],
    columns: ShardColumns,
    metadata: Mapping[str, str],
    origins: Sequence[Origin] = (),
) -> bytes:
    """Return the content of the object of some shards of a view.

    Args:
        keys: the shards.
        columns: their rows, in the order of the keys.
        metadata: further metadata.
        origins: the origin of each shard; empty if they are unknown.
    """
    from safetensors.numpy import save

    arrays = {name: _narrow(np.ascontiguousarray(column)) for name, column in columns.items()}
    shards = json.dumps([[*key.id, len(key.indices)] for key in keys], separators=(",", ":"))
    stated = {ENTRY: keys[0].cache_entry, SHARDS: shards}
    return save(
        arrays, {**metadata, **stated, ORIGINS: _origins_text(origins), CHECKSUM: _checksum(arrays, stated)}
    )


def header_end(start: bytes, size: int) -> int:
    """Return the number of bytes up to the end of a header.

    Args:
        start: at least the first 8 bytes of an object.
        size: size of the object.

    Raises:
        DamagedShardError: the header is cut off.
    """
    end = 8 + int.from_bytes(start[:8], "little")
    if not 8 < end <= min(size, _LARGEST_HEADER):
        raise DamagedShardError("its header is cut off")
    return end


def read_header(start: bytes, size: int, name: str) -> ShardsHeader:
    """Return the header of an object.

    Args:
        start: the start of the object, at least up to `header_end`.
        size: size of the object.
        name: name of the object.

    Raises:
        DamagedShardError: it is damaged, or that of another object.
    """
    end = header_end(start, size)
    try:
        tensors = parse_json(start[8:end])
        metadata = dict(tensors.pop("__metadata__"))
        stated = end + max(tensor["data_offsets"][1] for tensor in tensors.values())
        rows = {}
        first = 0
        for number, content, count in parse_json(metadata[SHARDS]):
            rows[int(number), str(content)] = range(first, first := first + count)
        lengths = {tensor["shape"][0] for tensor in tensors.values()}
        is_same = name == object_name(metadata[ENTRY], list(rows))
    except Exception as error:  # noqa: BLE001  a damaged header raises errors of many types
        raise DamagedShardError(reason(error)) from None
    if stated != size:
        raise DamagedShardError(f"it has {size:,} bytes, but its header states {stated:,}")
    if not is_same:
        raise DamagedShardError("it is of another model, view, settings or images")
    if lengths != {first}:
        raise DamagedShardError("its columns differ in length")
    return ShardsHeader(metadata, rows, dict(zip(rows, _origins(metadata, len(rows)), strict=True)))


def decode_shards(content: bytes, name: str, label: str) -> tuple[ShardsHeader, ShardColumns]:
    """Return the header and the columns of an object, after checking its checksum.

    Args:
        content: the object.
        name: its name.
        label: its name in messages.

    Raises:
        DamagedShardError: it is damaged, or another object.
    """
    from safetensors.numpy import load

    try:
        header = read_header(content, len(content), name)
        columns = load(content)
        stated = {key: header.metadata[key] for key in (ENTRY, SHARDS)}
        is_sound = header.metadata.get(CHECKSUM) == _checksum(columns, stated)
    except Exception as error:  # noqa: BLE001  of any damage
        raise DamagedShardError(f"cannot be read ({reason(error)})", where=label) from None
    if not is_sound:
        raise DamagedShardError("its checksum does not fit its columns", where=label)
    return header, {
        name: column.astype(np.int64) if column.dtype == np.int32 else column
        for name, column in columns.items()
    }


def _origins_text(origins: Sequence[Origin]) -> str:
    """Return origins as JSON.

    It has those that differ by more than their time, then the position among these and the time of each.
    """
    distinct = list(dict.fromkeys(replace(origin, time="") for origin in origins))
    rows = [[distinct.index(replace(origin, time="")), origin.time] for origin in origins]
    return json.dumps([[astuple(origin)[:-1] for origin in distinct], rows], separators=(",", ":"))


def _origins(metadata: Mapping[str, str], count: int) -> Sequence[Origin]:
    """Return the origins of all shards of an object; unknown ones if it states none."""
    with suppress(Exception):  # missing, or damaged in one of many ways
        distinct, rows = parse_json(metadata[ORIGINS])
        origins = [Origin(*map(str, (*distinct[number], time))) for number, time in rows]
        if len(origins) == count:
            return origins
    return [Origin()] * count


def _narrow(column: NDArray[Any]) -> NDArray[Any]:
    """Return int64 as int32 if all values fit."""
    narrow = column.astype(np.int32) if column.dtype == np.int64 else column
    return narrow if np.array_equal(narrow, column) else column


def _checksum(columns: ShardColumns, stated: Mapping[str, str]) -> str:
    """Return a 128-bit hexadecimal hash of columns and stated texts.

    Names, types and shapes of the columns are part of it.
    """
    digest = hashlib.blake2b(json.dumps(stated).encode(), digest_size=16)
    for name in sorted(columns):
        column = np.ascontiguousarray(columns[name])
        digest.update(f"{name}:{column.dtype.str}:{column.shape};".encode())
        digest.update(column.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

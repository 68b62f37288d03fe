"""Checksums of stored predictions, checked without a model or images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from quba_check.storage.packs import Pack, is_pack, open_pack
from quba_check.storage.shard import DamagedShardError, ShardKey, check_stated_key, checksum
from quba_check.storage.store import Store
from quba_check.storage.tensor_file import tensor_file


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged file of a store, or a damaged shard of a pack.

    Attributes:
        name: the file, relative to the store.
        problem: one line with place and reason.
        shard: the damaged shard of a pack, which can be removed alone; None for the whole file.
    """

    name: str
    problem: str
    shard: ShardKey | None = None


def prediction_damages(path: Path, name: str, place: str) -> list[Damage]:
    """Check all checksums of a file with predictions.

    Args:
        path: the file on this machine.
        name: its name, relative to the store.
        place: its name in messages.

    Returns:
        Its damages; none also if the file is gone, since another process may pack or remove it.
    """
    return [
        replace(damage, problem=damage.problem.replace(str(path), place)) for damage in _damages(path, name)
    ]


def _damages(path: Path, name: str) -> list[Damage]:
    """Return the damages of a file with predictions, named by its path."""
    with suppress(FileNotFoundError):
        try:
            if is_pack(path.name):
                with open_pack(path) as pack:
                    return list(_damaged_shards(pack, name))
            _check_shard_file(path)
        except DamagedShardError as error:
            return [Damage(name, str(error))]
    return []


def _damaged_shards(pack: Pack, name: str) -> Iterator[Damage]:
    entry = name.split("/")[1]
    for number, content in pack.shards:
        try:
            pack.read([(number, content)])
        except DamagedShardError as error:
            yield Damage(name, str(error), ShardKey(entry, number, content, ()))


def _check_shard_file(path: Path) -> None:
    """Check the file of one shard.

    Raises:
        FileNotFoundError: it is gone.
        DamagedShardError: its key or its checksum does not fit, or it cannot be read.
    """
    with tensor_file(path) as file:
        check_stated_key(file.metadata, path)
        columns = {name: file.rows(name, [range(shape[0])]) for name, shape in file.shapes.items()}
        stated = file.metadata.get("checksum")
    if stated != checksum(columns):
        raise DamagedShardError(f"{path}: its checksum does not fit its columns")
    if "index" not in columns or len({len(column) for column in columns.values()}) != 1:
        raise DamagedShardError(f"{path}: its columns differ in length")


def remove_damages(store: Store, damages: Iterable[Damage]) -> None:
    """Remove damaged files; of a pack, the damaged shards alone.

    Raises:
        StoreError: one cannot be removed.
    """
    damages = list(damages)
    for damage in damages:
        if damage.shard is None:
            store.withdraw(damage.name)
    store.remove(*(damage.shard for damage in damages if damage.shard is not None))

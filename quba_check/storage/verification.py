"""Checksums of stored predictions, checked without a model or images."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.storage.shard import DamagedShardError, decode_shards
from quba_check.storage.store import Store


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged file of a store.

    Attributes:
        name: the file, relative to the store.
        problem: one line with file and reason.
    """

    name: str
    problem: str


def prediction_damages(store: Store, name: str) -> list[Damage]:
    """Return the damage of an object with predictions, if any; none if it is gone."""
    try:
        decode_shards(store.objects.get(name), name, f"{store.label}/{name}")
    except FileNotFoundError:
        pass
    except DamagedShardError as error:
        return [Damage(name, str(error))]
    return []

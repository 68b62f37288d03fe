"""Checks of `quba-check store verify`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from quba_check.errors import UserError
from quba_check.number_format import format_bytes
from quba_check.records.files import IMAGES_SUFFIX, SUFFIX, parse_record
from quba_check.records.per_image import PerImage
from quba_check.storage.inventory import kind_of, total_size
from quba_check.storage.objects import StoredFile
from quba_check.storage.shard import DamagedShardError, decode_shards
from quba_check.storage.store import Store

READERS = 4
"""Files checked at once."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged file of a store.

    Attributes:
        name: the file, relative to the store.
        problem: one line with file and reason.
    """

    name: str
    problem: str


def checked_files(store: Store) -> tuple[list[Damage], str]:
    """Check all predictions and records of a store, with a progress bar on a terminal.

    Returns:
        The damaged files and shards, and the numbers of checked and damaged files in one line.
    """
    files = sorted(store.files(), key=lambda file: file.name)
    predictions, records = ([file for file in files if kind_of(file.name) == kind] for kind in _CHECKS)

    def check(file: StoredFile) -> list[Damage]:
        damages = _CHECKS[kind_of(file.name)](store, file.name)
        bars.advance(bar, file.size)
        return damages

    size = total_size([*predictions, *records])
    with (
        Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars,
        ThreadPoolExecutor(READERS) as pool,
    ):
        bar = bars.add_task("checking", total=size)
        damages = [damage for each in pool.map(check, [*predictions, *records]) for damage in each]
    damaged = len({damage.name for damage in damages})
    return damages, (
        f"{len(predictions):,} files with predictions and {len(records):,} of records checked "
        f"({format_bytes(size)}): {f'{damaged:,}' if damaged else 'none'} damaged\n"
    )


def prediction_damages(store: Store, name: str) -> list[Damage]:
    """Return the damage of a file with predictions, if any; none if it is gone."""
    try:
        decode_shards(store.objects.get(name), name, f"{store.label}/{name}")
    except FileNotFoundError:
        pass
    except DamagedShardError as error:
        return [Damage(name, str(error))]
    return []


def _record_damages(store: Store, name: str) -> list[Damage]:
    """Return the damage of a record, or of the per-image file next to it."""
    if not name.endswith(SUFFIX):
        return []
    checked = name
    try:
        record = parse_record(store.objects.get(name), f"{store.label}/{name}")
        checked = f"{name.removesuffix(SUFFIX)}{IMAGES_SUFFIX}"
        PerImage.from_bytes(store.objects.get(checked), f"{store.label}/{checked}", record)
    except FileNotFoundError:
        return []
    except UserError as error:
        return [Damage(checked, str(error))]
    return []


_CHECKS = {"predictions": prediction_damages, "records": _record_damages}
"""How files are checked, by their kind."""

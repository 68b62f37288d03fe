"""Checks of `quba-check store verify`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from quba_check.errors import UserError
from quba_check.number_format import format_bytes
from quba_check.storage.inventory import kind_of, total_size
from quba_check.storage.objects import FolderObjects, StoredFile
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


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check.

    Attributes:
        predictions: the checked files with predictions.
        records: the checked records and per-image files.
        damages: damaged files and shards.
    """

    predictions: Sequence[StoredFile]
    records: Sequence[StoredFile]
    damages: Sequence[Damage]

    def summary(self) -> str:
        """Return the numbers of checked and damaged files in one line."""
        files = [*self.predictions, *self.records]
        damaged = len({damage.name for damage in self.damages})
        return (
            f"{len(self.predictions):,} files with predictions and {len(self.records):,} of records checked "
            f"({format_bytes(total_size(files))}): {f'{damaged:,}' if damaged else 'none'} damaged\n"
        )


def checked_files(store: Store) -> Checked:
    """Check all predictions and records of a store, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    files = sorted(store.files(), key=lambda file: file.name)
    predictions = [file for file in files if kind_of(file.name) == "predictions"]
    records = [file for file in files if kind_of(file.name) == "records"]
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        bar = bars.add_task("checking", total=total_size([*predictions, *records]))
        done = partial(bars.advance, bar)
        damages = [
            *_damages(store, predictions, prediction_damages, done),
            *_damages(store, records, _record_damages, done),
        ]
    return Checked(predictions, records, damages)


def _damages(
    store: Store,
    files: Iterable[StoredFile],
    check: Callable[[Store, StoredFile], list[Damage]],
    done: Callable[[int], None],
) -> list[Damage]:
    """Return the damages of files; `done` is called with the size of each."""

    def checked(file: StoredFile) -> list[Damage]:
        damages = check(store, file)
        done(file.size)
        return damages

    with ThreadPoolExecutor(READERS) as pool:
        return [damage for damages in pool.map(checked, files) for damage in damages]


def prediction_damages(store: Store, file: StoredFile) -> list[Damage]:
    """Return the damage of a file with predictions, if any; none if it is gone."""
    try:
        decode_shards(store.objects.get(file.name), file.name, f"{store.label}/{file.name}")
    except FileNotFoundError:
        pass
    except DamagedShardError as error:
        return [Damage(file.name, str(error))]
    return []


def _record_damages(store: Store, file: StoredFile) -> list[Damage]:
    """Check that a record, or a per-image file with its record, can be read."""
    from quba_check.comparison.stored_run import stored_run
    from quba_check.records.files import IMAGES_SUFFIX, SUFFIX, is_newer, read_record

    if not file.name.endswith(SUFFIX):
        return []
    images = f"{file.name.removesuffix(SUFFIX)}{IMAGES_SUFFIX}"
    with TemporaryDirectory(prefix="quba-check-") as temporary:
        copies = FolderObjects(Path(temporary))
        for name in (file.name, images):
            with suppress(FileNotFoundError):
                copies.set(name, store.objects.get(name))
        path, shown = copies.path(file.name), f"{store.label}/{file.name}"
        if not path.exists():
            return []
        try:
            if is_newer(path, shown):
                return []
            record = read_record(path, shown)
        except UserError as error:
            return [Damage(file.name, str(error))]
        try:
            stored_run(path, shown, record, copies.root)
        except UserError as error:
            return [Damage(images, str(error))]
    return []

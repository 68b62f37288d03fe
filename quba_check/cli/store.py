"""`quba-check store`: list, check and prune stored predictions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import click

from quba_check.cli.files import Place, progress_bars, write_output
from quba_check.cli.parser import Checked, CommandGroup, store_option, value_option
from quba_check.errors import OptionError, UserError
from quba_check.gate.options import Given, number_within
from quba_check.number_format import format_bytes
from quba_check.records.files import IMAGES_SUFFIX, SUFFIX, parse_record
from quba_check.records.per_image import PerImage
from quba_check.reports.store import inventory_json, inventory_table, prune_text
from quba_check.storage.inventory import PruneConditions, kind_of, read_inventory, removals, total_size
from quba_check.storage.locations import default_location
from quba_check.storage.objects import FolderObjects
from quba_check.storage.opening import FORMAT_NAME, open_store
from quba_check.storage.shard import DamagedShardError, decode_shards
from quba_check.storage.store import Store, is_predictions
from quba_check.storage.url_objects import UrlObjects

DAMAGED = 1
"""Exit code if damaged files are left."""
GIGABYTE = 10**9
MOST_GIGABYTES = 10**6
UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST_AGE = 6
"""Digits of the largest age."""


def parse_age(given: Given) -> int:
    """Return the seconds of a time span such as `30d`."""
    digits = given.value[:-1]
    unit = given.value[-1:]
    if unit not in UNITS or not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST_AGE:
        raise OptionError(
            where=given.flag,
            got=f"'{given.value}'",
            allowed="a whole number with h, d or w (hours, days, weeks), such as 30d",
        )
    return int(digits) * UNITS[unit]


@click.group("store", cls=CommandGroup)
def store() -> None:
    """List, check and prune stored predictions."""


@store.command("list", epilog="Example: quba-check store list --json")
@click.option("--json", "as_json", is_flag=True, help="print the list as JSON")
@store_option
def list_models(as_json: bool, store: Place) -> None:
    """List the models of the store with views, images, size and age.

    The last changed one comes first.
    """
    opened = opened_store(store, "quba-check store list")
    write = inventory_json if as_json else inventory_table
    write_output(write(opened.label, read_inventory(opened)))


@store.command("verify", epilog="Example: quba-check store verify --remove")
@click.option("--remove", is_flag=True, help="remove damaged predictions; the next run makes them again")
@store_option
def verify(remove: bool, store: Place) -> int:
    """Check every checksum of stored predictions, and that every record can be read.

    Prepared images are checked whenever they are read. Exit code 1: damaged files are left.
    """
    opened = opened_store(store, "quba-check store verify")
    damages, summary = checked_files(opened)
    write_output("".join(f"damaged: {problem}\n" for problem in damages.values()) + summary)
    removable = [name for name in damages if kind_of(name) == "predictions"]
    if removable and remove:
        opened.delete_files(removable)
        write_output("Damaged predictions were removed. The next run predicts them again.\n")
    elif removable:
        write_output("--remove removes damaged predictions. The next run predicts them again.\n")
    if len(removable) < len(damages):
        write_output("Damaged records are not removed. Delete them, and judge the model again.\n")
    left = len(damages) - (len(removable) if remove else 0)
    return DAMAGED if left else 0


@store.command("prune", epilog="Example: quba-check store prune --older-than 30d --yes")
@value_option(
    "--older-than",
    "AGE",
    "only what is unchanged for this long, such as 30d (default: 1w)",
    Checked(parse_age),
)
@value_option(
    "--larger-than",
    "GB",
    "only until the store is no larger, oldest first; prepared images go before predictions",
    Checked(number_within(0, MOST_GIGABYTES)),
)
@click.option(
    "--images", is_flag=True, help="also prepared images and copies of data at URLs, which are made again"
)
@click.option("--yes", is_flag=True, help="remove; without it nothing is removed")
@store_option
def prune(older_than: int | None, larger_than: float | None, images: bool, yes: bool, store: Place) -> None:
    """Remove stored predictions that meet all given conditions, oldest first.

    Without --yes the command only shows what it would remove. Without conditions, only leftovers of killed
    runs are removed. Records stay, and so do copies of data that a run used within a week. A run predicts
    again what is removed while it needs it.
    """
    opened = opened_store(store, "quba-check store prune")
    inventory = read_inventory(opened)
    now = time.time()
    conditions = PruneConditions(
        None if older_than is None else now - older_than,
        None if larger_than is None else int(larger_than * GIGABYTE),
        images,
    )
    selected = removals(inventory, conditions, now)
    if yes:
        opened.delete_files(file.name for each in selected for file in each.files)
    write_output(prune_text(opened.label, inventory, selected, conditions, is_dry=not yes))


def opened_store(location: Place, command: str) -> Store:
    """Open a store that exists; another folder or URL would become an empty one.

    Args:
        location: folder or URL of the store as given; None for the default one.
        command: the command in messages.

    Raises:
        OptionError: the named folder or URL is not a store.
        StoreError: it cannot be written.
    """
    if location is not None:
        where = f"{command}: --store"
        folder = None if isinstance(location, str) else location
        objects = UrlObjects(str(location), where, OptionError) if folder is None else FolderObjects(folder)
        try:
            objects.get(FORMAT_NAME, 1)
        except FileNotFoundError:
            if next(objects.list("predictions"), None) is None:
                raise OptionError(
                    f"{objects.label} is not a store: it has neither 'format.json' nor 'predictions/'",
                    where=where,
                    allowed="the folder or URL that a run got by --quba-store or $QUBA_STORE",
                ) from None
    return open_store(location or default_location())


READERS = 4
"""Files checked at once."""


def checked_files(store: Store) -> tuple[dict[str, str], str]:
    """Check all predictions and records of a store, with a progress bar on a terminal.

    Returns:
        A line with file and reason for each damaged file by its name, and the numbers of checked and damaged
        files in one line.
    """
    files = sorted(store.files(), key=lambda file: file.name)
    kinds = ("predictions", "records")
    predictions, records = ([file for file in files if kind_of(file.name) == kind] for kind in kinds)
    checked = [*predictions, *records]
    size = total_size(checked)
    damages = dict[str, str]()
    with progress_bars() as bars, ThreadPoolExecutor(READERS) as pool:
        bar = bars.add_task("checking", total=size)
        results = pool.map(damage_of, repeat(store), [file.name for file in checked])
        for file, damage in zip(checked, results, strict=True):
            bars.advance(bar, file.size)
            damages |= damage
    return damages, (
        f"{len(predictions):,} files with predictions and {len(records):,} of records checked "
        f"({format_bytes(size)}): {f'{len(damages):,}' if damages else 'none'} damaged\n"
    )


def damage_of(store: Store, name: str) -> dict[str, str]:
    """Return the damage of a file with predictions or a record, if any.

    A record is damaged too if the per-image file next to it is. Files that are gone are not.
    """
    checked = name
    try:
        if is_predictions(name):
            decode_shards(store.objects.get(name), name, f"{store.label}/{name}")
        elif name.endswith(SUFFIX):
            record = parse_record(store.objects.get(name), f"{store.label}/{name}")
            checked = f"{name.removesuffix(SUFFIX)}{IMAGES_SUFFIX}"
            PerImage.from_bytes(store.objects.get(checked), f"{store.label}/{checked}", record)
    except FileNotFoundError:
        return {}
    except UserError as error:
        if is_predictions(name) and not isinstance(error, DamagedShardError):
            raise  # the store fails, so the predictions may be intact
        return {checked: str(error)}
    return {}

"""`quba-check store`: list, check and prune stored predictions."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import PLACE, Group, NumberWithin
from quba_check.errors import OptionError
from quba_check.messages import did_you_mean, listed
from quba_check.storage.user_files import file_kind

if TYPE_CHECKING:
    from quba_check.storage.inventory import Inventory
    from quba_check.storage.pruning import Conditions
    from quba_check.storage.store import Store

DAMAGED = 1
"""Exit code if damaged files are left."""
GIGABYTE = 10**9
MOST_GIGABYTES = 10**6
UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST_AGE = 6
"""Digits of the largest age."""

folder_option = click.option(
    "--store",
    type=PLACE,
    metavar="DIR",
    help="the store: folder or URL (else $QUBA_STORE, else the user's cache)",
)


class Age(click.ParamType[int]):
    """A time span such as `30d`, in seconds."""

    name = "age"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds, or raise `OptionError`."""
        if isinstance(value, int):
            return value
        digits, unit = value[:-1], value[-1:]
        if unit not in UNITS or not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST_AGE:
            command = "" if ctx is None else f"{ctx.command_path}: "
            option = "" if param is None else f"{param.opts[0]}: "
            raise OptionError(
                f"{command}{option}got '{value}'. Allowed: a whole number with h, d or w "
                "(hours, days, weeks), such as 30d."
            )
        return int(digits) * UNITS[unit]


@click.group("store", cls=Group, short_help="list, check or prune stored predictions")
def store() -> None:
    """List, check and prune stored predictions."""


@store.command(
    "list", short_help="list the models of the store", epilog="Example: quba-check store list --json"
)
@click.option("--json", "as_json", is_flag=True, help="print the list as JSON")
@folder_option
def list_models(as_json: bool, store: str | Path | None) -> None:
    """List the models of the store with views, images, size and age.

    The last changed one comes first.
    """
    from quba_check.reports.store import inventory_json, inventory_table
    from quba_check.storage.inventory import read_inventory

    opened = opened_store(store, "quba-check store list")
    write = inventory_json if as_json else inventory_table
    _print(write(opened.label, read_inventory(opened), time.time()))


@store.command(
    "verify",
    short_help="check every checksum of the store",
    epilog="Example: quba-check store verify --remove",
)
@click.option("--remove", is_flag=True, help="remove damaged predictions; the next run makes them again")
@folder_option
def verify(remove: bool, store: str | Path | None) -> int:
    """Check every checksum of stored predictions, and that every record can be read.

    Prepared images are checked whenever they are read. Exit code 1: damaged files are left.
    """
    from quba_check.cli.store_checks import checked_files
    from quba_check.storage.inventory import kind_of

    opened = opened_store(store, "quba-check store verify")
    checked = checked_files(opened)
    for damage in checked.damages:
        _print(f"damaged: {damage.problem}\n")
    _print(checked.summary())
    removable = [damage for damage in checked.damages if kind_of(damage.name) == "predictions"]
    if removable and remove:
        opened.delete_files(damage.name for damage in removable)
        _print("Damaged predictions were removed. The next run predicts them again.\n")
    elif removable:
        _print("--remove removes damaged predictions. The next run predicts them again.\n")
    if len(removable) < len(checked.damages):
        _print("Damaged records are not removed. Delete them, and judge the model again.\n")
    left = len(checked.damages) - (len(removable) if remove else 0)
    return DAMAGED if left else 0


@store.command(
    "prune",
    short_help="remove predictions by model, age or size",
    epilog="Example: quba-check store prune --older-than 30d --yes",
)
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="only predictions of this model; repeatable"
)
@click.option(
    "--older-than", type=Age(), metavar="AGE", help="only what did not change for this long, such as 30d"
)
@click.option(
    "--larger-than",
    type=NumberWithin(0, MOST_GIGABYTES),
    metavar="GB",
    help="only until the store is no larger, oldest first; prepared images go before predictions",
)
@click.option(
    "--images", is_flag=True, help="also prepared images and copies of data at URLs, which are made again"
)
@click.option("--records", is_flag=True, help="also records of the models, with their per-image results")
@click.option("--yes", is_flag=True, help="remove; without it nothing is removed")
@folder_option
def prune(
    models: tuple[str, ...],
    older_than: int | None,
    larger_than: float | None,
    images: bool,
    records: bool,
    yes: bool,
    store: str | Path | None,
) -> None:
    """Remove stored predictions that meet all given conditions, oldest first.

    Without --yes the command only shows what it would remove. --model NAME selects the predictions of a model
    and can be repeated. Without conditions, only leftovers of killed runs are removed. Predictions of models
    that are being evaluated stay.
    """
    from quba_check.storage.inventory import read_inventory
    from quba_check.storage.pruning import Conditions

    opened = opened_store(store, "quba-check store prune")
    inventory = read_inventory(opened)
    for name in models:
        _check_model(name, inventory, "quba-check store prune: --model")
    conditions = Conditions(
        models,
        None if older_than is None else time.time() - older_than,
        None if larger_than is None else int(larger_than * GIGABYTE),
        images,
        records,
    )
    _prune(opened, inventory, conditions, is_dry=not yes)


def _prune(opened: Store, inventory: Inventory, conditions: Conditions, *, is_dry: bool) -> None:
    """Print what the conditions select, and remove it unless it is a dry run."""
    from quba_check.reports.store import prune_text
    from quba_check.storage.active_runs import active_runs, remove_forgotten
    from quba_check.storage.pruning import removals

    now = time.time()
    runs = active_runs(opened.objects)
    running = [run for run in runs if not run.is_dead(now)]
    selected = removals(inventory, conditions, running, now)
    if not is_dry:
        remove_forgotten(opened.objects, runs, now)
        opened.delete_files(file.name for each in selected for file in each.files)
    _print(prune_text(opened.label, inventory, selected, conditions, running, now, is_dry=is_dry))


def opened_store(place: str | Path | None, command: str) -> Store:
    """Open a store that exists.

    Args:
        place: folder or URL of the store as given; None for the default one.
        command: the command in messages.

    Raises:
        OptionError: the named folder or URL is not a store.
        StoreError: it cannot be written.
    """
    from quba_check.storage.opening import open_store
    from quba_check.storage.places import default_place, folder_of

    folder = None if place is None else folder_of(place)
    if folder is not None:
        where = f"{command}: --store: {folder}"
        if file_kind(folder / "predictions", where, OptionError) != "folder":
            raise OptionError(
                f"{where} is not a store: it has no folder 'predictions'. Allowed: the folder that a run got "
                "by --quba-store or $QUBA_STORE."
            )
    elif place is not None:
        _check_url(str(place), f"{command}: --store")
    return open_store(place or default_place())


def _check_url(url: str, where: str) -> None:
    """Raise `OptionError` for a URL without a store, which would become an empty one."""
    from quba_check.storage.opening import FORMAT_NAME
    from quba_check.storage.url_objects import UrlObjects

    objects = UrlObjects(url, where, OptionError)
    try:
        objects.get(FORMAT_NAME, 1)
    except FileNotFoundError:
        if next(objects.list("predictions"), None) is None:
            raise OptionError(
                f"{where}: {objects.label} is not a store: it has neither 'format.json' nor 'predictions/'. "
                "Allowed: the URL that a run got by --quba-store or $QUBA_STORE."
            ) from None


def _check_model(name: str, inventory: Inventory, where: str) -> None:
    """Raise `OptionError` for a model of which the store has nothing."""
    models = inventory.models
    if name not in models:
        allowed = f"Allowed: {listed(models)}." if models else "The store has no models."
        raise OptionError(f"{where}: got '{name}'. {allowed}{did_you_mean(name, models)}")


def _print(text: str) -> None:
    from quba_check.reports.tables import fit_encoding

    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))

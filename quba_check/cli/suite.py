"""`quba-check suite`: describe and check a data folder, or make sets for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from quba_check.cli.doctor import PROBLEMS, print_findings
from quba_check.cli.files import progress_bars, write_output
from quba_check.cli.parser import INPUT, PLACE, Checked, CommandGroup, value_option
from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import (
    CLEAN,
    CLEAN_SET,
    CORRUPTIONS,
    CORRUPTIONS_SET,
    CUE_CONFLICT_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
    SAMPLED,
    View,
)
from quba_check.errors import FewObjectsError, OptionError
from quba_check.gate.options import whole_number
from quba_check.messages import listed, one_line
from quba_check.number_format import counted
from quba_check.reports.tables import table_text, terminal_width, wrapped
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.locations import default_location, digests_file, local_folder
from quba_check.suites import Suite, open_suite
from quba_check.suites.manifest.reading import ManifestEntries, add_sets, manifest_line
from quba_check.suites.object_focus.making import MadeSets
from quba_check.suites.object_focus.making import make_object_focus as make_sets
from quba_check.suites.object_focus.sources import BoxFile, MaskFolder
from quba_check.suites.opening import MANIFEST_NAME
from quba_check.suites.sampling import conditions_of
from quba_check.suites.slices import slice_columns

TOO_FEW = 1
"""Exit code if objects were found in too few images."""
_MAKE = "make-object-focus"
_WHERE = f"quba-check suite {_MAKE}"


@click.group("suite", cls=CommandGroup)
def suite() -> None:
    """Describe or check a data folder, or add sets to it."""


@suite.command("describe", epilog="Example: quba-check suite describe data")
@click.argument("folder", type=PLACE, metavar="DIR")
def describe(folder: str | Path) -> None:
    """Print the sets of a data folder with images, classes, and path or source.

    DIR may be a URL. To count images, all sets are then copied to this machine, one after another.
    """
    described = open_suite(folder)
    notes = "".join(f"{note}\n" for note in described.unread_notes())
    write_output(sets_text(described, terminal_width()) + notes)


@suite.command("check", epilog="Example: quba-check suite check data --training train")
@click.argument("folder", type=PLACE, metavar="DIR")
@value_option(
    "--training",
    "PATH",
    "images that the models were trained with: a folder, or a text file with a path a line",
    INPUT,
)
def check(folder: str | Path, training: Path | None) -> int:
    """Find copies, pictures under two labels, training images and bursts in the sets of DIR.

    Reads the clean set, the shifts and the sets of `other`; each image is decoded once. Exit code 1: a
    picture has two labels, or was trained with.
    """
    from quba_check.doctor.clean_sets import check_pictures

    data = open_suite(folder)
    digests = ContentDigests(digests_file(local_folder(default_location())))
    with progress_bars() as bars:
        advance = partial(bars.advance, bars.add_task("images", total=None))
        path = data.training if training is None else training.absolute()
        pictures, findings = check_pictures(data, digests, path, advance)
    print_findings(findings, data.name, "clean", pictures.extent)
    return PROBLEMS if any(finding.severity == "problem" for finding in findings) else 0


@suite.command(_MAKE, epilog="Example: quba-check suite make-object-focus data --masks masks -o object_focus")
@click.argument("folder", type=INPUT, metavar="DIR")
@value_option("--masks", "DIR", "folder of masks, named like the images; the object is bright", INPUT)
@value_option("--boxes", "FILE.csv", "columns path,x0,y0,x1,y1 in pixels; GrabCut finds the object", INPUT)
@value_option("-o --output", "DIR", "folder to write (default: object_focus in the data folder)", INPUT)
@value_option("--seed", "N", "seed of backgrounds (default: 0)", Checked(whole_number(0)), default=0)
@value_option(
    "--per-class", "N", "at most N images per class, 2 or more (default: all)", Checked(whole_number(2))
)
@click.option(
    "--allow-few",
    is_flag=True,
    help="make the sets even if objects are found in fewer than half of the images",
)
@click.option("--write", is_flag=True, help="add the sets to quba-data.yaml instead of printing how")
def make_object_focus(
    folder: Path, masks: Path | None, boxes: Path | None, output: Path | None, write: bool, **options: Any
) -> int:
    """Make the sets that object_focus is measured on, from the clean images of DIR.

    Objects are pasted onto backgrounds of other images: of their own class (mixed_same) and of a random class
    (mixed_rand). Exit code 1: objects were found in too few images.
    """
    if (masks is None) == (boxes is None):
        got = "neither" if masks is None else "both"
        raise OptionError(
            "needs masks or boxes", where=_WHERE, got=got, allowed="--masks DIR, or --boxes FILE.csv"
        )
    data = open_suite(folder)
    manifest = data.root / MANIFEST_NAME
    if write and not manifest.exists():
        raise OptionError(
            f"there is no {manifest} to write into",
            where=f"{_WHERE}: --write",
            hint="Write one, or leave --write out.",
        )
    out = (output or data.root / "object_focus").absolute()
    objects = BoxFile(boxes) if boxes is not None else MaskFolder(masks or folder)
    try:
        with progress_bars() as bars:

            def start_step(step: str, images: int) -> Callable[[int], None]:
                return partial(bars.advance, bars.add_task(step, total=images))

            sets = make_sets(data, objects, out, progress=start_step, **options)
    except FewObjectsError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return TOO_FEW
    sys.stdout.write(f"{out}: {sets.images:,} images in each set, of {len(sets.classes):,} classes\n")
    if sets.left_out:
        sys.stdout.write(f"left out of {sets.clean:,} clean images: {sets.left_out}\n")
    entries = _entries(data, out, sets)
    if write:
        add_sets(manifest, entries)
        sys.stdout.write(f"{manifest} declares them\n")
        return 0
    lines = "".join(f"  {manifest_line(name, entry)}\n" for name, entry in entries.items())
    where = "Add to the sets in" if manifest.exists() else "Declare them among the sets of a new"
    sys.stdout.write(f"{where} {manifest}:\n{lines}")
    return 0


def _entries(data: Suite, out: Path, sets: MadeSets) -> ManifestEntries:
    """Return the manifest entries of made sets."""
    folder = out.relative_to(data.root) if out.is_relative_to(data.root) else out
    # The pictures have the stored size of the clean images.
    prepared = {"prepared": True} if data.is_prepared(CLEAN) else {}
    incomplete = {"partial": True} if len(sets.classes) < len(data.classes) else {}
    common = {"expected": sets.images, **prepared, **incomplete}
    return {
        name: {"reader": "folder", "path": f"{folder.as_posix()}/{name}", **common}
        for name in (MIXED_SAME_SET, MIXED_RAND_SET)
    }


COLUMNS = ("set", "images", "expected", "space", "classes", "per class", "where")
_NAMES = ("set", "space")
_RIGHT = ("images", "expected", "classes", "per class")
_NOTHING = "-"


def sets_text(suite: Suite, width: int) -> str:
    """Return the suite's name, its sets as a table, and the undeclared sets.

    If the table is wider than `width` columns, paths and reasons follow below it, one for each set.
    """
    rows = set_rows(suite)
    table = table_text(COLUMNS, rows, _RIGHT)
    if max(map(cell_len, table.splitlines())) > width:
        table = table_text(COLUMNS[:-1], [row[:-1] for row in rows], _RIGHT, cut=_NAMES, width=width)
        table += "\n" + wrapped((f"{name}: {path}" for name, *_, path in rows), width)
    heading = f"{suite.name}: {suite.facts.class_count:,} classes, in {one_line(suite.location)}"
    sets = (CLEAN_SET, CORRUPTIONS_SET, MIXED_SAME_SET, MIXED_RAND_SET, CUE_CONFLICT_SET)
    absent = [name for name in sets if name not in suite.facts.spaces]
    absent += [] if suite.facts.shifts else ["shifts"]
    undeclared = [f"not in the manifest: {', '.join(absent)}"] if absent else []
    return wrapped([heading], width) + table + wrapped(undeclared, width)


def set_rows(suite: Suite) -> list[tuple[str, ...]]:
    """Return the rows: declared sets, then decided ones.

    `classes` is the number of classes of the set's label space with images; `per class` is the smallest and
    largest number of images of a class with images (per corruption and severity for corruptions).
    """
    present = {view: _images_per_class(suite, view) for view in suite.views() if not suite.is_generated(view)}
    is_sampled = suite.facts.samples_corruptions and suite.missing(SAMPLED) is None
    counts = suite.counts() | suite.counts([SAMPLED] if is_sampled else [])
    rows: list[tuple[str, ...]] = []
    for name, space in suite.facts.spaces.items():
        # Generated corruptions have the classes of the clean images.
        source = CLEAN_SET if suite.is_generated(View(name)) else name
        per_class = [images for view, images in present.items() if view.set == source]
        space_name = space or "own"
        images = "missing"
        expected = None
        classes = _NOTHING
        spread = _NOTHING
        if name in counts and per_class:
            images = f"{counts[name].images:,}"
            expected = counts[name].expected
            classes = f"{np.count_nonzero(sum(per_class)):,} of {len(per_class[0]):,}"
            spread = _range(np.concatenate(per_class))
        stated = _NOTHING if expected is None else f"{expected:,}"
        rows.append((name, images, stated, space_name, classes, spread, _where(suite, name)))
    for name, decided in suite.facts.decided.items():
        root = counts.get(suite.facts.view_set(suite.facts.root_of(name)))
        groups = "missing" if root is None else f"{root.groups:,}"
        rows.append((name, groups, *(_NOTHING,) * 4, f"one for each group of {decided.of}"))
    return rows


def _images_per_class(suite: Suite, view: View) -> NDArray[np.intp]:
    labels = [example.label for example in suite.examples(view) if example.label != NO_CLASS]
    return np.bincount(labels, minlength=len(suite.space_of(view.set).classes))


def _range(images: NDArray[np.intp]) -> str:
    """Return the smallest and largest number of images of a class with images."""
    positive = images[images > 0]
    if not len(positive):  # a set of no class
        return _NOTHING
    fewest = int(positive.min())
    most = int(positive.max())
    return f"{fewest:,}" if fewest == most else f"{fewest:,}-{most:,}"


def _where(suite: Suite, name: str) -> str:
    """Return the path of a set and the reason if it is missing or incomplete."""
    whole = View(name)
    reason = suite.missing(whole)
    if reason:
        return reason.replace(f"{suite.location}{os.sep}", "")
    if suite.is_generated(whole):
        return "made from clean, one for each image" if suite.facts.samples_corruptions else "made from clean"
    path = suite.set_path(whole)
    relative = str(path.relative_to(suite.root) if path.is_relative_to(suite.root) else path)
    if name != CORRUPTIONS_SET:
        return "; ".join([relative, *_columns(suite, whole)])
    conditions = conditions_of((*CORRUPTIONS, *suite.facts.extra_corruptions))
    absent = [f"{view.corruption}/{view.severity}" for view in conditions if suite.missing(view)]
    missing = f"{len(absent)} of {len(conditions)} conditions missing: {listed(absent, at_most=2)}"
    return f"{relative}; {missing}" if absent else relative


def _columns(suite: Suite, view: View) -> Iterator[str]:
    """Yield the groups of a set and its slices, as far as it declares them."""
    declared = suite.declared(view.set)
    groups = suite.counts([view])[view.set].groups
    if groups:
        yield f"{counted(groups, 'group')} by {declared.group if isinstance(declared.group, str) else 'path'}"
    cells = [example.cells for example in suite.examples(view)]
    for column in slice_columns(declared, cells, view.set).values():
        images = np.bincount(column.numbers).tolist()
        yield listed(f"{name} {n:,}" for name, n in zip(column.names, images, strict=True))
    yield from declared.properties

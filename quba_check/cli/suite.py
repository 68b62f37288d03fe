"""`quba-check suite`: describe a data folder, or make sets for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.cli.parser import whole_number
from quba_check.errors import FewObjectsError, OptionError

if TYPE_CHECKING:
    from quba_check.suites import Suite
    from quba_check.suites.manifest.editing import Entries
    from quba_check.suites.object_focus import MadeSets

TOO_FEW = 1
"""Exit code if objects were found in too few images."""
_MAKE = "make-object-focus"


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command with its actions."""
    parser = commands.add_parser("suite", help="describe a data folder, or make sets for it")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    describe = actions.add_parser(
        "describe",
        help="list the sets of a data folder",
        description="List the sets of a data folder: images and classes of each, and its path or source.",
    )
    describe.add_argument("folder", type=Path, metavar="DIR", help="data folder")
    describe.set_defaults(command=_describe)
    make = actions.add_parser(
        _MAKE,
        help="make the sets mixed_same and mixed_rand from clean images and masks or boxes",
        description="Paste the objects of the clean images onto backgrounds of other images: of their own "
        "class (mixed_same) and of a random class (mixed_rand). object_focus is measured on these sets.",
    )
    make.add_argument("folder", type=Path, metavar="DIR", help="data folder")
    source = make.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--masks", type=Path, metavar="DIR", help="folder of masks, named as the images; the object is bright"
    )
    source.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE.csv",
        help="columns path,x0,y0,x1,y1 in pixels; GrabCut segments the objects",
    )
    make.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder to write (default: object_focus in the data folder)",
    )
    make.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="N", help="seed of the backgrounds (default: 0)"
    )
    make.add_argument(
        "--per-class",
        type=whole_number(2),
        metavar="N",
        help="at most N images of a class, 2 or more (default: all)",
    )
    make.add_argument(
        "--allow-few",
        action="store_true",
        help="make the sets even if objects are found in fewer than half of the images",
    )
    make.add_argument(
        "--write", action="store_true", help="add the sets to quba-data.yaml instead of printing the lines"
    )
    make.set_defaults(command=_make_object_focus)


def _describe(options: argparse.Namespace) -> None:
    from rich.console import Console

    from quba_check.cli.suite_table import sets_text
    from quba_check.suites import open_suite

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    rule = "─" if console.encoding.startswith("utf") else "-"
    console.print(sets_text(open_suite(options.folder), console.width, rule=rule))


def _make_object_focus(options: argparse.Namespace) -> int:
    """Make both sets, and print their manifest lines or add them to the manifest.

    Returns:
        Exit code: 1 with an `ERROR` line if objects were found in too few images, else 0.
    """
    from rich.console import Console
    from rich.progress import Progress

    from quba_check.suites import open_suite
    from quba_check.suites.manifest.editing import add_sets, manifest_line
    from quba_check.suites.object_focus import BoxFile, MaskFolder, make_object_focus
    from quba_check.suites.opening import MANIFEST_NAME

    suite = open_suite(options.folder)
    manifest = suite.root / MANIFEST_NAME
    if options.write and not manifest.exists():
        raise OptionError(
            f"quba-check suite {_MAKE}: --write: there is no {manifest} to write into. Write one, or leave "
            "--write out."
        )
    out = (options.output or suite.root / "object_focus").absolute()
    objects = BoxFile(options.boxes) if options.boxes else MaskFolder(options.masks)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:

        def start_step(step: str, images: int) -> Callable[[int], None]:
            return partial(progress.advance, progress.add_task(step, total=images))

        try:
            made = make_object_focus(
                suite,
                objects,
                out,
                seed=options.seed,
                per_class=options.per_class,
                allow_few=options.allow_few,
                progress=start_step,
            )
        except FewObjectsError as error:
            progress.stop()
            sys.stderr.write(f"ERROR: {error}\n")
            return TOO_FEW
    sys.stdout.write(f"{out}: {made.images:,} images in each set, of {len(made.classes):,} classes\n")
    if made.left_out:
        sys.stdout.write(f"left out of {made.clean:,} clean images: {made.left_out}\n")
    entries = _entries(suite, out, made)
    if options.write:
        add_sets(manifest, entries)
        sys.stdout.write(f"{manifest} declares them\n")
        return 0
    lines = "".join(f"  {manifest_line(name, entry)}\n" for name, entry in entries.items())
    where = "Add to the sets in" if manifest.exists() else "Declare them among the sets of a new"
    sys.stdout.write(f"{where} {manifest}:\n{lines}")
    return 0


def _entries(suite: Suite, out: Path, made: MadeSets) -> Entries:
    """Return the manifest entries of made sets."""
    from quba_check.core.view import CLEAN, MIXED_RAND_SET, MIXED_SAME_SET

    folder = out.relative_to(suite.root) if out.is_relative_to(suite.root) else out
    # The pictures have the stored size of the clean images.
    prepared = {"prepared": True} if suite.is_prepared(CLEAN) else {}
    incomplete = {"partial": True} if len(made.classes) < len(suite.classes) else {}
    common = {"expected": made.images, **prepared, **incomplete}
    return {
        name: {"reader": "folder", "path": f"{folder.as_posix()}/{name}", **common}
        for name in (MIXED_SAME_SET, MIXED_RAND_SET)
    }

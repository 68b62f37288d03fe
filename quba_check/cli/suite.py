"""`quba-check suite`: what a data folder has, and sets to add to it."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.object_focus import make_object_focus
from quba_check.cli.parser import INPUT, Group


@click.group("suite", cls=Group, short_help="describe a data folder, or add sets")
def suite() -> None:
    """Describe a data folder, or add sets to it."""


@suite.command("describe", short_help="print the sets of a data folder")
@click.argument("folder", type=INPUT, metavar="DIR")
def describe(folder: Path) -> None:
    """Print the sets of a data folder: images and classes of each, and its place or source."""
    from rich.console import Console

    from quba_check.cli.suite_table import sets_text
    from quba_check.suites import open_suite

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    rule = "─" if console.encoding.startswith("utf") else "-"
    console.print(sets_text(open_suite(folder), console.width, rule=rule))


suite.add_command(make_object_focus)

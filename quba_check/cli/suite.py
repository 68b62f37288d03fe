"""`quba-check suite`: what a data folder has, and sets to add to it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from quba_check.cli import object_focus


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command with its actions."""
    parser = commands.add_parser("suite", help="look at a data folder, or add to it")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    describe = actions.add_parser(
        "describe",
        help="say which sets a data folder has",
        description="Say which sets a data folder has: images and classes of each, and where it lies or what "
        "it is made from.",
    )
    describe.add_argument("folder", type=Path, metavar="DIR", help="data folder")
    describe.set_defaults(command=_describe)
    object_focus.add_to(actions)


def _describe(options: argparse.Namespace) -> None:
    from rich.console import Console

    from quba_check.cli.suite_table import sets_text
    from quba_check.suites import open_suite

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    rule = "─" if console.encoding.startswith("utf") else "-"
    console.print(sets_text(open_suite(options.folder), console.width, rule=rule))

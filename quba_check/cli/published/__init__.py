"""`quba-check published`: published models ranked, chosen, studied and measured again."""

from __future__ import annotations

import click

from quba_check.cli.parser import CommandGroup

COMMANDS = {
    "rank": "rank a population by QUBA score, your records among them",
    "show": "show the values and ranks of a published model",
    "recommend": "list the published models that would pass a threshold file",
    "study": "correlate the dimensions of a population, and compare its groups",
    "reproduce": "measure a published model, and compare with its published values",
    "population": "make a reference population from your models' records",
}
"""Purpose of each command, by name."""


@click.group("published", cls=CommandGroup, package=__name__, purposes=COMMANDS, options_metavar="[--help]")
def published() -> None:
    """Rank, show, choose and study published models, or your own among them."""

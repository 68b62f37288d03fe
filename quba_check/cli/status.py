"""`quba-check status`: the running evaluations of a store, on any machine."""

from __future__ import annotations

import time
from pathlib import Path

import click

from quba_check.cli.files import write_output
from quba_check.cli.parser import store_option
from quba_check.cli.store import opened_store
from quba_check.reports.status import status_json, status_text
from quba_check.storage.active_runs import active_runs, remove_forgotten


@click.command("status", epilog="Example: quba-check status --json")
@click.option("--json", "as_json", is_flag=True, help="print the evaluations as JSON")
@store_option
def status(as_json: bool, store: str | Path | None) -> None:
    """Show the running evaluations of the store, from any terminal or machine.

    Evaluations without a sign of life for a minute, or whose process ended, are shown as dead. Their
    predictions are kept: run the same command again to continue.
    """
    opened = opened_store(store, "quba-check status")
    now = time.time()
    runs = active_runs(opened.objects)
    write_output((status_json if as_json else status_text)(opened.label, runs, now))
    remove_forgotten(opened.objects, runs, now)

"""`quba-check status`: the running evaluations of a store, on any machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.store import folder_option, opened_store

if TYPE_CHECKING:
    from quba_check.storage.active_runs import ActiveRun


@click.command("status", short_help="show running evaluations", epilog="Example: quba-check status --json")
@click.option("--json", "as_json", is_flag=True, help="print the evaluations as JSON")
@folder_option
def status(as_json: bool, store: str | Path | None) -> None:
    """Show the running evaluations of the store, from any terminal or machine.

    Evaluations without a sign of life for a minute, or whose process ended, are shown as dead. Their
    predictions are kept: run the same command again to continue.
    """
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.active_runs import active_runs, remove_forgotten

    opened = opened_store(store, "quba-check status")
    now = time.time()
    runs = active_runs(opened)
    text = status_json(opened.shown, runs, now) if as_json else status_text(opened.shown, runs, now)
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))
    remove_forgotten(opened, runs, now)


def status_text(place: str, runs: Sequence[ActiveRun], now: float) -> str:
    """Return two lines for each evaluation, wrapped at the terminal's width."""
    from quba_check.cli.store_formats import terminal_width
    from quba_check.reports.tables import wrap_text

    lines = [line for run in runs for line in _lines(run, now)]
    if not runs:
        lines = [f"{place}: no evaluation is running"]
    return "".join(f"{line}\n" for line in wrap_text("\n".join(lines), terminal_width()))


def status_json(place: str, runs: Sequence[ActiveRun], now: float) -> str:
    """Return the evaluations as JSON."""
    from quba_check.cli.store_formats import iso_time

    evaluations = [
        {
            "run": run.run,
            "state": "dead" if run.is_dead(now) else "running",
            "models": list(run.models),
            "host": run.host,
            "pid": run.pid,
            "started": iso_time(run.started),
            "last_sign": iso_time(run.at),
            "work": run.work,
            "images": run.images,
            "done": run.done,
            "left_seconds": run.left_seconds,
            "estimated_end": None if run.left_seconds is None else iso_time(run.at + run.left_seconds),
        }
        for run in runs
    ]
    return json.dumps({"store": place, "evaluations": evaluations}, indent=2) + "\n"


def _lines(run: ActiveRun, now: float) -> list[str]:
    """Return place and progress of an evaluation, then its work and times."""
    from quba_check.messages import listed
    from quba_check.number_format import format_age

    is_dead = run.is_dead(now)
    silence = format_age(run.silence(now))
    times = [f"started {format_age(now - run.started)} ago"]
    if not is_dead:
        times.append(f"last sign of life {silence} ago")
    work = [run.work] if run.work else []
    work += [f"{run.images:,} images"] if run.images else []
    second = [", ".join(work), ", ".join(times)]
    death = "its process ended" if run.has_ended() else f"no sign of life for {silence}"
    progress = f"dead, {death}" if is_dead else _progress(run, now)
    return [
        f"{listed(run.models, 4)} on {run.host}, pid {run.pid}: {progress}",
        "  " + "; ".join(part for part in second if part),
    ]


def _progress(run: ActiveRun, now: float) -> str:
    """Return the finished share, the time left and the estimated end."""
    words = ["running"] if run.done is None else [f"{run.done:.0%} done".replace("%", " %")]
    if run.left and run.left_seconds is not None:
        end = datetime.fromtimestamp(run.at + run.left_seconds)
        is_today = end.date() == datetime.fromtimestamp(now).date()
        shown = end.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")
        words.append(f"{run.left} left, until {shown}")
    return ", ".join(words)

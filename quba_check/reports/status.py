"""The running evaluations of a store as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from quba_check.messages import listed
from quba_check.number_format import format_age
from quba_check.reports.store import iso_time
from quba_check.reports.tables import json_text, terminal_width, wrapped
from quba_check.storage.active_runs import ActiveRun


def status_text(location: str, runs: Sequence[ActiveRun], now: float) -> str:
    """Return two lines for each evaluation, wrapped at the terminal's width."""
    lines = [line for run in runs for line in _lines(run, now)]
    if not runs:
        lines = [f"{location}: no evaluation is running"]
    return wrapped(lines, terminal_width())


def status_json(location: str, runs: Sequence[ActiveRun], now: float) -> str:
    """Return the evaluations as JSON."""
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
    return json_text({"store": location, "evaluations": evaluations}, is_ascii=True)


def _lines(run: ActiveRun, now: float) -> list[str]:
    """Return place and progress of an evaluation, then its work and times."""
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
        end_text = end.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")
        words.append(f"{run.left} left, until {end_text}")
    return ", ".join(words)

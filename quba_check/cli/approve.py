"""`quba-check approve`: a record becomes the baseline of later runs."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from quba_check.cli.files import Place, check_waivers, read_run
from quba_check.cli.parser import Checked, record_argument, store_option, value_option
from quba_check.comparison.baseline import looser_demands
from quba_check.comparison.stored_run import RunConditions, differences
from quba_check.demands.bounds import today
from quba_check.errors import OptionError, UserError
from quba_check.gate.options import Given, unchecked
from quba_check.gate.threshold_files import shown_path
from quba_check.messages import listed, one_line
from quba_check.records import baselines
from quba_check.records.record import Record
from quba_check.reports.verdict_labels import release_line, summary_line
from quba_check.verdicts.ahead import waiver_warnings
from quba_check.verdicts.stored_verdicts import read_record, read_record_and_digest


def _name(given: Given) -> str:
    text = str(given.value)
    if not baselines.NAME.fullmatch(text):
        raise OptionError(
            where=given.flag,
            got=f"'{text}'",
            allowed="letters, digits, '_', '.' and '-', without .json at the end, such as release",
        )
    return text


@click.command("approve", epilog="Example: quba-check approve demo.json --name release")
@record_argument
@value_option(
    "--name", "NAME", "the baseline (else that of the run's threshold file, else release)", Checked(_name)
)
@value_option("--by", "WHO", "who approves it (else the user of this machine)", Checked(unchecked))
@value_option(
    "--reason",
    "TEXT",
    "why; needed for a record whose verdict is not pass, or of other images than the one it replaces, "
    "or if that one or its history cannot be read",
    Checked(unchecked),
)
@store_option
def approve(path: Path, name: str | None, by: str | None, reason: str | None, store: Place) -> None:
    """Make a record the baseline of later runs: baselines/NAME in the project's root folder.

    The folder has the record, its per-image results, and the history with a line for each approval. Threshold
    files name it by 'baseline: NAME'. An earlier record of that name is replaced.
    """
    record, digest = read_record_and_digest(path)
    words = one_line(reason or "").strip()
    verdict = record.overall_verdict
    check_waivers(record, path)
    stated = record.baseline or ""
    name = name or (stated if baselines.NAME.fullmatch(stated) else "release")
    folder = baselines.project_root() / baselines.FOLDER / name
    before, problems = _earlier(folder)
    problems += [release_line(record)] if verdict != "pass" else []
    if before is not None:
        others = differences(before, RunConditions.of(record))
        problems += [f"it differs from the record that it replaces in {listed(others)}"] if others else []
    if problems and not words:
        raise UserError(f"{'; '.join(problems)}. To approve it nevertheless: --reason TEXT.", where=f"{path}")
    images = read_run(path, store).images
    waived = tuple(row.name for row in record.verdicts if row.outcome == "waived")
    time = datetime.now(UTC).isoformat(timespec="seconds")
    who = one_line(by or _user())
    label = shown_path(folder, Path.cwd())
    lines = [f"approved: {record.model.name} as {label}, by {who}", f"  {summary_line(record)}"]
    if before is not None:
        last = baselines.last_approval(folder / baselines.RECORD)
        lines.append(f"  replaces {before.model.name}, approved {last.get('time')} by {last.get('by')}")
        lines += [f"  looser: {text}" for text in looser_demands(before.verdicts, record.verdicts)]
    lines += [f"  warning: {text}" for text in waiver_warnings(record.verdicts, today())]
    values = baselines.demanded_values(record)
    approval = baselines.Approval(time, who, words, record.model.name, verdict, waived, digest, values)
    content = None if images is None else images.to_bytes(record)
    baselines.write_baseline(folder, path.read_bytes(), content, approval)
    if images is None:
        lines.append(f"  no per-image results are next to {path} or in the store: drops are judged unpaired")
    lines.append(f"in the threshold file: baseline: {name}")
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise OptionError(
            "the user of this machine has no name. State who approves it.", where="--by"
        ) from error


def _earlier(folder: Path) -> tuple[Record | None, list[str]]:
    """Return the replaced record; None without one, and the reasons if it cannot be used."""
    path = folder / baselines.RECORD
    if not baselines.has_baseline(folder):
        return None, []
    try:
        problem = baselines.approval_problem(path, shown_path(path, Path.cwd()))
        return (None, [problem]) if problem else (read_record(path), [])
    except UserError as error:
        return None, [str(error).rstrip(".")]

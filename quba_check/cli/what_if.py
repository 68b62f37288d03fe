"""`quba-check what-if`: stored runs judged by other threshold files, without model or images."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.files import facts_of, read_run, stated_baseline, write_output
from quba_check.cli.parser import INPUT, file_option, store_option
from quba_check.errors import OptionError
from quba_check.gate.threshold_files import thresholds_at
from quba_check.messages import listed
from quba_check.records.verdict import EXIT_CODES, worst_verdict
from quba_check.reports.what_if import what_if_text
from quba_check.tuning.what_if import what_if as judge_run


@click.command("what-if", epilog="Example: quba-check what-if demo.json thresholds/*.yaml")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="FILE...")
@file_option(
    "--baseline",
    "RECORD.json",
    "record that max_drop and max_relative_drop compare with (else 'baseline' of the threshold file)",
)
@store_option
def what_if(paths: tuple[Path, ...], baseline: Path | None, store: str | Path | None) -> int:
    """Judge stored runs by other threshold files, without model or images.

    FILE: records (.json) and threshold files (.yaml). The exit code is that of the gate for the most severe
    verdict. 0: every run would be released by every file. 1: a demand failed. 2: a run was interrupted. 5: no
    demand was judged. 6: a demand is not shown to be met.
    """
    records = [path for path in paths if path.name.endswith(".json")]
    files = [path for path in paths if path not in records]
    if not records or not files:
        raise OptionError(
            f"quba-check what-if: needs records and threshold files, got only {listed(map(str, paths))}. "
            "Allowed: at least one of each, such as quba-check what-if run.json thresholds/*.yaml."
        )
    names = [file.name for file in files]
    headings = [file.name if names.count(file.name) == 1 else str(file) for file in files]
    overall = []
    before = read_run(baseline, store) if baseline else None
    for path in records:
        run = read_run(path, store)
        facts = facts_of(run.record)
        thresholds = [thresholds_at(file, facts) for file in files]
        judged = [judge_run(run, each, before or stated_baseline(each, store)) for each in thresholds]
        write_output(what_if_text(headings, judged))
        overall += [one.record.overall_verdict for one in judged]
    return EXIT_CODES[worst_verdict(overall)]

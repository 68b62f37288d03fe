"""`quba-check lint`: errors in threshold files, and demands that no sample decides."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from quba_check.cli.files import facts_of, write_output
from quba_check.cli.parser import INPUT, Checked, value_option
from quba_check.demands.profiles import find_thresholds
from quba_check.dimensions import registry
from quba_check.errors import OptionError
from quba_check.gate.options import whole_number
from quba_check.gate.threshold_files import shown_path
from quba_check.number_format import counted
from quba_check.reports.power import power_text
from quba_check.suites.opening import manifest_facts
from quba_check.tuning.lint import LintFinding, lint_file
from quba_check.verdicts.stored_verdicts import read_record

SUFFIXES = (".yaml", ".yml")


@click.command("lint", epilog="Example: quba-check lint thresholds --images 5000")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="PATH...")
@value_option("--images", "N", "images of each set (default: those of the record)", Checked(whole_number(2)))
@value_option("--record", "RECORD.json", "record with standard errors and sets", INPUT)
@value_option(
    "--suite",
    "FILE.yaml",
    "manifest with the sets that demands may name (else those of the record, else of ImageNet)",
    INPUT,
)
@click.option("--digest", is_flag=True, help="print the digest of each file's demands, as attest states it")
@click.option("--strict", is_flag=True, help="exit with 1 for warnings ahead too, such as a waiver that ends")
def lint(
    paths: tuple[Path, ...], images: int | None, record: Path | None, suite: Path | None, **switches: bool
) -> int:
    """Check threshold files: schema, names, bounds, and whether a realistic sample can decide them.

    PATH: files, folders with YAML files, shipped profiles. With --images or --record also print,
    for each demand, the true value of a model that is blocked, and of one that passes, in 80 % of runs.
    Exit code 0: no error and no warning; 1 otherwise. Warnings ahead count with --strict alone: waivers that
    end soon, and with --record bounds far from the values, and an old or eroding baseline.
    """
    registry.load_entry_points()
    stored = read_record(record) if record else None
    facts = manifest_facts(suite) if suite else facts_of(stored)
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    findings: dict[LintFinding, None] = {}
    tables = dict[str | None, str]()  # by the digest of the demands, shared by files that extend the same one
    for file in files:
        label = shown_path(Path(os.path.abspath(file)), Path.cwd())  # noqa: PTH100  links are kept
        thresholds, of_file = lint_file(file, label, facts, stored, digest=switches["digest"])
        findings |= dict.fromkeys(of_file)
        if thresholds and (images or stored):
            tables.setdefault(thresholds.inputs[0].demands, power_text(thresholds, images, stored))
    for finding in findings:
        severity = "" if finding.severity == "note" else f"{finding.severity}: "
        write_output(f"{severity}{finding.text}\n")
    write_output("".join(tables.values()))
    counts = Counter(finding.severity for finding in findings)
    summary = f"{counted(counts['error'], 'error')}, {counted(counts['warning'], 'warning')}"
    summary += f", {counts['ahead']:,} ahead" if counts["ahead"] else ""
    write_output(f"{counted(len(files), 'file')}: {summary}\n")
    return 1 if counts["error"] or counts["warning"] or (switches["strict"] and counts["ahead"]) else 0


def _files(path: Path) -> Iterator[Path]:
    """Yield the YAML files below a folder, or the file or profile itself."""
    if not path.is_dir():
        yield find_thresholds(str(path), Path.cwd())
        return
    candidates = (file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    files = sorted(file for file in candidates if "/." not in f"/{file.relative_to(path).as_posix()}")
    if not files:
        raise OptionError(
            where="quba-check lint: PATH",
            got=f"'{path}', a folder without YAML files",
            allowed="threshold files, or folders that have some",
        )
    yield from files

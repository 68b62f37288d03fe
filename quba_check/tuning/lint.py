"""Findings about threshold files: errors, and demands that no realistic sample can decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.request import EACH, titled_name
from quba_check.demands.bounds import today
from quba_check.demands.demand import Thresholds
from quba_check.demands.reading import read_thresholds
from quba_check.errors import ThresholdError
from quba_check.records.baselines import approvals, approved_record, project_root
from quba_check.records.record import Record
from quba_check.storage.user_files import is_url
from quba_check.tuning.power import POWER, DetectableEffect, detectable_effects, pass_margin
from quba_check.tuning.record_facts import check_protocol
from quba_check.tuning.what_if import what_if
from quba_check.verdicts.ahead import WIDE, baseline_warnings, waiver_warnings, wide_bounds
from quba_check.verdicts.slices import number_compared
from quba_check.verdicts.stored_verdicts import read_record

LARGEST_SAMPLE = 1_000_000
"""Images of each set that no realistic run exceeds."""
MANY = 5
"""Number of slices, classes or blocking demands from which on their common error is noted."""
PAIRED_SHARE = 4
"""Noise of two runs on different images, in multiples of that on the same images with few changed answers."""
_SHARE = f"{100 * POWER:g} % of runs"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A finding about a threshold file.

    Attributes:
        severity: `error`, `warning`, `ahead` for what matters later, or `note` if nothing is wrong.
        text: `file:line: …`.
    """

    severity: Literal["error", "warning", "ahead", "note"]
    text: str


def lint_file(
    path: Path, label: str, suite: SuiteFacts, record: Record | None = None, *, digest: bool = False
) -> tuple[Thresholds | None, list[LintFinding]]:
    """Return a threshold file, and all its errors or else the warnings about its demands.

    An entry with a wrong key or type is checked no further.

    Args:
        path: the file.
        label: its name in messages.
        suite: determines the parts of the dimensions.
        record: a run whose protocol the file must have, and whose values show needless waivers and slices.
        digest: begin with the digest of the demands.

    Returns:
        The file, None if it has errors, and the findings.
    """
    try:
        thresholds = read_thresholds(path, label=label, suite=suite)
        rows = (demand.verdict_row("", "not run") for demand in thresholds.demands)
        ahead = ((row, text) for row in rows for text in waiver_warnings([row], today()))
        findings = [LintFinding("ahead", f"{row.file}:{row.line}: {text}") for row, text in ahead]
        if record is not None:
            check_protocol(thresholds, record)
            findings += _record_findings(thresholds, record)
        note = LintFinding("note", f"{label}: demands sha256:{thresholds.inputs[0].demands}")
        notes = [*([note] if digest else []), *_allowed_noise(thresholds), *_precedence(thresholds)]
        return thresholds, [*notes, *findings, *demand_warnings(thresholds)]
    except ThresholdError as error:
        return None, [LintFinding("error", text) for text in error.messages]


def _allowed_noise(thresholds: Thresholds) -> Iterator[LintFinding]:
    """Yield a note on the smallest failure that `allow` shows among many demands."""
    if thresholds.policy.uncertain == "allow" and thresholds.blocking >= MANY:
        text = (
            f"{thresholds.label}: 'uncertain: allow' shows a failure of one of {thresholds.blocking} "
            f"blocking demands from about {-pass_margin(thresholds):.1f} standard errors beyond its bound on"
        )
        yield LintFinding("note", text)


def _precedence(thresholds: Thresholds) -> Iterator[LintFinding]:
    """Yield notes on demands on a class next to a drop of any class."""
    drops = [demand for demand in thresholds.demands if demand.needs_baseline]
    of_any_class = [drop for drop in drops if drop.request.target == EACH]
    for each, drop in product(of_any_class, drops):
        if drop.is_of_class_in(each):
            effect = "applies too: only a demand that is waived, and no looser, replaces it"
            if drop.replaces(each):
                effect = "leaves this class out, which its own waived demand judges"
            text = f"{drop.file}:{drop.line}: {drop.shown_name}: {each.name} in line {each.line} {effect}"
            yield LintFinding("note", text)


def _record_findings(thresholds: Thresholds, record: Record) -> Iterator[LintFinding]:
    """Yield needless waivers as errors, warnings ahead, and notes on the worst of many slices."""
    name = thresholds.baseline or ""
    path = None if not name or is_url(name) else approved_record(name, project_root(), None)
    baseline = None if path is None else stored_run(path, name, read_record(path), None)
    judged = what_if(StoredRun(record.model.name, record), thresholds, baseline)
    ahead = [f"{WIDE}: {text}" for text in wide_bounds(judged.record)]
    if path is not None:
        ahead += baseline_warnings(name, approvals(path), today())
    yield from (LintFinding("ahead", f"{thresholds.label}: {text}") for text in ahead)
    for verdict, row in zip(judged.verdicts, judged.record.verdicts, strict=True):
        demand = verdict.demand
        evidence = verdict.evidence
        where = f"{demand.file}:{demand.line}: {demand.shown_name}"
        if row.has_needless_waiver:
            text = f"{where} is met by {record.model.name} without its waiver. Remove 'waive'."
            yield LintFinding("error", text)
        number = number_compared(demand, evidence) if isinstance(evidence, Measurement) else 1
        if number >= MANY and thresholds.policy.uncertain == "point":
            text = (
                f"{where} judges the worst of {number:,}. If all are at the bound, it fails "
                f"in {100 * (1 - 0.5**number):.3g} % of runs under 'uncertain: point'. Use 'allow'."
            )
            yield LintFinding("note", text)


def demand_warnings(thresholds: Thresholds) -> Iterator[LintFinding]:
    """Yield warnings about demands that no sample decides.

    Demands with the tier info, which nothing depends on, get none.
    """
    for effect in detectable_effects(thresholds, LARGEST_SAMPLE):
        demand = effect.demand
        reason = _problem(effect, thresholds)
        if reason and demand.tier != "info":
            name = titled_name(demand.title, demand.target)
            where = f"{demand.file}:{demand.line}: {name} {demand.bound_text}"
            yield LintFinding("warning", f"{where}: even with {LARGEST_SAMPLE:,} images {reason}")


def _problem(effect: DetectableEffect, thresholds: Thresholds) -> str:
    """Return the reason why a demand is undecidable; empty if it is not."""
    if effect.error is None:
        return ""
    demand = effect.demand
    noise = effect.error / PAIRED_SHARE
    if demand.needs_baseline and thresholds.policy.uncertain != "allow" and noise > float(demand.bound):
        unit = "%" if demand.key == "max_relative_drop" else "points"
        return (
            f"the noise of a {demand.loss} is about {100 * noise:.2g} {unit}, more than the bound: chance "
            "decides about models as good as the baseline"
        )
    if effect.blocked is None:
        return f"it does not block any model in {_SHARE}"
    return f"it does not pass any model in {_SHARE}" if effect.passed is None else ""

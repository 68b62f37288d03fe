"""Labels, colours, counts and summaries of verdicts in reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, get_args

from quba_check.messages import grouped, listed
from quba_check.records.record import Record
from quba_check.records.verdict import VerdictRow

Label = Literal["FAIL", "UNCERTAIN", "NOT RUN", "WAIVED", "WARN", "INFO", "ALLOWED", "SKIP", "PASS"]
LABELS: tuple[Label, ...] = get_args(Label)
"""Labels of verdicts in reports, the most severe first."""
UNMET: tuple[Label, ...] = ("FAIL", "UNCERTAIN", "WAIVED", "WARN", "INFO")
"""Labels of demands that were not met."""
_BY_TIER: dict[str, Label] = {"block": "FAIL", "warn": "WARN", "info": "INFO"}
_BY_OUTCOME: dict[str, Label] = {"pass": "PASS", "waived": "WAIVED", "skipped": "SKIP", "not run": "NOT RUN"}


class Look(NamedTuple):
    """The looks of a label.

    Attributes:
        phrase: words after the number of its demands.
        heading: heading of its demands in the terminal.
        style: its style in the terminal.
        mark: its mark in Markdown, if its demands do not block.
        sign: kind of its sign on the page.
    """

    phrase: str
    heading: str
    style: str
    mark: str
    sign: str


LOOKS: Mapping[Label, Look] = {
    "FAIL": Look("failed", "Failed", "bold red", "❌", "bad"),
    "UNCERTAIN": Look("uncertain", "Uncertain", "bold yellow", "❌", "warn"),
    "WAIVED": Look("waived", "Waived", "yellow", "⚠️", "warn"),
    "WARN": Look("warned", "Warned", "yellow", "⚠️", "warn"),
    "INFO": Look("missed (info only)", "For information", "cyan", "ℹ️", "open"),
    "ALLOWED": Look("uncertain but allowed", "Uncertain but allowed", "yellow", "➖", "warn"),
    "SKIP": Look("skipped", "Skipped", "dim", "➖", "open"),
    "NOT RUN": Look("not run", "Not run", "magenta", "⚠️", "open"),
    "PASS": Look("passed", "Passed", "green", "✅", "good"),
}
"""Looks of the labels, in the order of reports."""
_REASONS: tuple[tuple[Label, str], ...] = (
    ("FAIL", "failed"),
    ("UNCERTAIN", "not shown to be met"),
    ("NOT RUN", "not judged"),
)
"""Reasons against a release, by the label of the demands behind them."""
DIGITS = 12
"""Hex digits shown of a digest."""
_NO = "released: no"
NAMES_SHOWN = 5
"""Largest number of demands named for each reason."""


def label(verdict: VerdictRow) -> Label:
    """Return the label of a verdict; unmet demands have the label of their tier.

    Uncertain ones are `ALLOWED` if their file lets them pass, else `UNCERTAIN` if they block.
    """
    if verdict.outcome == "uncertain" and (verdict.is_met or verdict.tier == "block"):
        return "ALLOWED" if verdict.is_met else "UNCERTAIN"
    return _BY_OUTCOME.get(verdict.outcome) or _BY_TIER[verdict.tier]


def most_severe(verdicts: Iterable[VerdictRow]) -> VerdictRow | None:
    """Return the most severe verdict, the first of equals; None if there are none."""
    return min(verdicts, key=lambda verdict: LABELS.index(label(verdict)), default=None)


def summary_line(record: Record) -> str:
    """Return the verdicts in a line: `7 of 9 demands passed, 1 failed, 1 warned`.

    Demands of the same threshold files that were not selected are counted last.
    """
    if not record.verdicts:
        return "no demands"
    counts = Counter(label(verdict) for verdict in record.verdicts)
    total = len(record.verdicts)
    passed = counts.pop("PASS", 0)
    demands = "demand" if total == 1 else "demands"
    others = [f"{counts[name]} {look.phrase}" for name, look in LOOKS.items() if counts[name]]
    if record.unselected:
        others.append(f"{record.unselected} not selected")
    return ", ".join([f"{passed} of {total} {demands} passed", *others])


def limited_words(record: Record) -> list[str]:
    """Return the share of the images in words: `on 1,000 of 10,000 images`.

    Empty if all images were used.
    """
    counts = {
        name: f"{row.images:,} of {row.found:,} images"
        for name, row in record.suite.sets.items()
        if row.found is not None and row.found > row.images
    }
    if len(set(counts.values())) > 1:
        return [f"on {listed([f'{text} of {name}' for name, text in counts.items()], NAMES_SHOWN)}"]
    return [f"on {text}" for text in {*counts.values()}]


def warning_lines(record: Record) -> list[str]:
    """Return the lines to read before the verdicts."""
    return [f"warning: {text}" for text in record.warnings]


def origin_line(record: Record) -> str:
    """Return the model with its files, the time of the run, and an effective limit."""
    files = [f"{name} SHA-256 {digest[:DIGITS]}…" for name, digest in record.model.files.items()]
    line = " ".join([f"model {record.model.spec}", *([f"({listed(files, NAMES_SHOWN)})"] if files else [])])
    line += f", run of {record.environment.time}"
    if record.predictions is not None and record.predictions.reused:
        line += f", {record.predictions.text}"
    is_limited = record.limit is not None and limited_words(record)
    return f"{line}, limited to {record.limit:,} images of each set" if is_limited else line


def release_line(record: Record) -> str:
    """Return the overall verdict in a line: `released: yes`, or the reasons against it."""
    names = grouped((label(row), row.shown_name) for row in record.verdicts if row.blocks)
    reasons = [f"{reason}: {listed(names[key], NAMES_SHOWN)}" for key, reason in _REASONS if key in names]
    return "; ".join([_release(record), *(reasons if _release(record) == _NO else [])])


def verdict_line(record: Record) -> str:
    """Return the overall verdict and the numbers of verdicts in a line."""
    return "; ".join([*([_release(record)] if record.verdicts else []), summary_line(record)])


def _release(record: Record) -> str:
    """Return the overall verdict in words, without the names of unmet demands."""
    match record.overall_verdict:
        case "pass":
            return ", ".join(["released: yes", *limited_words(record), *waived_words(record)])
        case "partial":
            return f"released: not decided; demands that were not selected: {record.unselected}"
        case "interrupted":
            return "released: no; the run was interrupted"
        case "not judged":
            return "released: no; no demand was judged"
    return _NO


def verdict_words(record: Record) -> str:
    """Return the overall verdict in words; a release with waived demands is no plain pass."""
    is_waived = record.overall_verdict == "pass" and waived_words(record)
    return "pass with waivers" if is_waived else record.overall_verdict


def waived_words(record: Record) -> list[str]:
    """Return the waived demands in words, each with its last day; empty without any."""
    waivers = [(row.shown_name, row.waiver) for row in record.verdicts if row.outcome == "waived"]
    names = [f"{name} until {waiver.until}" for name, waiver in waivers if waiver is not None]
    return [f"waived: {listed(names, NAMES_SHOWN)}"] if names else []

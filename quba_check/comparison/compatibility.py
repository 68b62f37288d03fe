"""Compatibility of two runs: protocol, suite, class list and images."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.core.protocols import ProtocolName
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.records.record import Record, SuiteRow

NAMED = 3
"""Largest number of views in a message."""
CLASSES = "class list"


@dataclass(frozen=True, slots=True)
class RunConditions:
    """Conditions that the values of two runs must share to be compared.

    Attributes:
        protocol: the protocol.
        suite: the suite, with the content hashes of the images behind the values.
        limit: largest number of images that the run used of a set; None for all.
        seed: the seed.
    """

    protocol: ProtocolName
    suite: SuiteRow
    limit: int | None
    seed: int

    @classmethod
    def of(cls, record: Record) -> RunConditions:
        """Return the conditions of a stored run."""
        return cls(record.protocol, record.suite, record.limit, record.environment.seed)


def check_comparable(before: Record, after: Record, first: str, second: str) -> None:
    """Raise an error for two records without comparable values.

    Args:
        before: the first record.
        after: the second record.
        first: name of the first record in messages.
        second: name of the second record in messages.

    Raises:
        UserError: they differ in protocol, suite, class list or images.
    """
    reasons = differences(before, RunConditions.of(after))
    if reasons:
        raise UserError(
            f"{first} and {second} cannot be compared: they differ in {listed(reasons)}. "
            "Allowed: two runs of one protocol on the same images and classes."
        )


def precision_notes(before: str, after: str) -> list[str]:
    """Return a note on runs of different precision; none if it is the same."""
    return [f"precision differs: {before} and {after}"] if before != after else []


def differences(before: Record, run: RunConditions) -> list[str]:
    """Return the differences between a record and a run in words; empty if comparable.

    Only views of both runs are compared. If their images differ because of an option, the option is named.

    Args:
        before: the record.
        run: the conditions of the run.
    """
    reasons = []
    ours, suite = before.suite, run.suite
    if before.protocol != run.protocol:
        reasons.append(f"protocol ({before.protocol} and {run.protocol})")
    if ours.name != suite.name:
        reasons.append(f"suite ({ours.name} and {suite.name})")
    if ours.classes is not None and suite.classes is not None and ours.classes != suite.classes:
        reasons.append(CLASSES)
    if ours.sample != suite.sample:
        reasons.append(f"sampling of corruptions ({ours.sample} and {suite.sample})")
    views = _different_views(ours, suite)
    if views:
        reasons.append(f"images of {listed(views, NAMED)}{_sampling(before, run)}")
    return reasons


def _sampling(before: Record, run: RunConditions) -> str:
    """Return the options behind different images of two runs, as text."""
    limits = before.limit, run.limit
    if before.limit != run.limit:
        ours, theirs = ("no limit" if limit is None else f"{limit:,}" for limit in limits)
        return f" (--quba-limit: {ours} and {theirs})"
    if run.limit is not None and before.environment.seed != run.seed:
        return f" (--quba-seed: {before.environment.seed} and {run.seed})"
    return ""


def _different_views(ours: SuiteRow, theirs: SuiteRow) -> list[str]:
    if not ours.contents and not theirs.contents:  # nothing was measured, or an early version stored none
        return [] if ours.fingerprint == theirs.fingerprint else list(ours.sets) or ["the suite"]
    return [view for view, content in ours.contents.items() if theirs.contents.get(view, content) != content]

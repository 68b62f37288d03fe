"""Whether two runs may be held beside each other, and if not, what they differ in."""

from __future__ import annotations

from quba_check.core.protocols import ProtocolName
from quba_check.errors import UserError, listed
from quba_check.records.record import Record, SuiteRow

NAMED = 3
"""Views that a message names."""
CLASSES = "class list"


def check_comparable(before: Record, after: Record, first: str, second: str) -> None:
    """Refuse two records whose difference would say nothing of the models.

    Args:
        before: the one record.
        after: the other.
        first: how messages call the one.
        second: how they call the other.

    Raises:
        UserError: they differ in protocol, suite, class list or images.
    """
    found = differences(before, after.protocol, after.suite, limit=after.limit, seed=after.environment.seed)
    if found:
        raise UserError(
            f"{first} and {second} cannot be compared: they differ in {listed(found)}. "
            "Allowed: two runs of one protocol on the same images and classes."
        )


def differences(
    before: Record, protocol: ProtocolName, suite: SuiteRow, *, limit: int | None, seed: int
) -> list[str]:
    """What a record differs in from a run, in words; empty where the two may be compared.

    Only views that both looked at are held against each other. Where they are of other images, an option that
    drew others is named too.

    Args:
        before: the record.
        protocol: of the run.
        suite: of the run.
        limit: images of a set that the run looked at at most; None: all.
        seed: the run's.
    """
    found = []
    ours = before.suite
    if before.protocol != protocol:
        found.append(f"protocol ({before.protocol} and {protocol})")
    if ours.name != suite.name:
        found.append(f"suite ({ours.name} and {suite.name})")
    if ours.classes is not None and suite.classes is not None and ours.classes != suite.classes:
        found.append(CLASSES)
    if ours.sample != suite.sample:
        found.append(f"sampling of corruptions ({ours.sample} and {suite.sample})")
    others = _other_images(ours, suite)
    if others:
        found.append(f"images of {listed(others, NAMED)}{_drawn(before, limit, seed)}")
    return found


def _drawn(before: Record, limit: int | None, seed: int) -> str:
    """Why two runs on one suite looked at other images, where their options tell."""
    if before.limit != limit:
        ours, theirs = ("no limit" if number is None else f"{number:,}" for number in (before.limit, limit))
        return f" (--quba-limit: {ours} and {theirs})"
    if limit is not None and before.environment.seed != seed:
        return f" (--quba-seed: {before.environment.seed} and {seed})"
    return ""


def _other_images(ours: SuiteRow, theirs: SuiteRow) -> list[str]:
    if not ours.contents and not theirs.contents:  # nothing was looked at, or nothing is told of it
        return [] if ours.fingerprint == theirs.fingerprint else list(ours.sets) or ["the suite"]
    both = [view for view in ours.contents if view in theirs.contents]
    return [view for view in both if ours.contents[view] != theirs.contents[view]]

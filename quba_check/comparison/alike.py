"""Whether two runs may be held beside each other, and if not, what they differ in."""

from __future__ import annotations

from quba_check.errors import UserError, listed
from quba_check.protocol.record import Record, SuiteRow
from quba_check.protocol.settings import ProtocolName

NAMED = 3
"""Views that a message names."""
CLASSES = "class list"


def check_alike(before: Record, after: Record, first: str, second: str) -> None:
    """Refuse two records whose difference would say nothing of the models.

    Args:
        before: the one record.
        after: the other.
        first: how messages call the one.
        second: how they call the other.

    Raises:
        UserError: they differ in protocol, suite, class list or images.
    """
    found = differing(before, after.protocol, after.suite)
    if found:
        raise UserError(
            f"{first} and {second} cannot be compared: they differ in {listed(found)}. "
            "Allowed: two runs of one protocol on the same images and classes."
        )


def differing(before: Record, protocol: ProtocolName, suite: SuiteRow) -> list[str]:
    """What a record differs in from a run of a protocol on a suite, in words; empty where it may be compared.

    Only views that both looked at are held against each other.
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
        found.append(f"images of {listed(others, NAMED)}")
    return found


def _other_images(ours: SuiteRow, theirs: SuiteRow) -> list[str]:
    if ours.contents and theirs.contents:
        both = ours.contents.keys() & theirs.contents.keys()
        return [
            view for view in ours.contents if view in both and ours.contents[view] != theirs.contents[view]
        ]
    # A record of an earlier version tells only of all sets together.
    return [] if ours.fingerprint == theirs.fingerprint else list(ours.sets) or ["the suite"]

"""Choice of the files that make room for others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Evictable(Protocol):
    """A file, or several that are removed together."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    @property
    def modified(self) -> float:
        """Unix time of the last use."""


Candidate = TypeVar("Candidate", bound=Evictable)


def least_recently_used(
    candidates: Iterable[Candidate], excess: float, before: float = float("inf")
) -> list[Candidate]:
    """Return the candidates to remove, those that were unused longest first.

    Args:
        candidates: files that may be removed.
        excess: bytes that are too many; all candidates together may have fewer.
        before: Unix time; what was used since then stays.
    """
    selected = []
    for candidate in sorted(candidates, key=lambda each: each.modified):
        if excess <= 0 or candidate.modified >= before:
            break
        selected.append(candidate)
        excess -= candidate.size
    return selected

"""Notes on files in a suite's folders that look like images and are not read."""

from __future__ import annotations

from collections.abc import Iterable

from quba_check.core.view import View
from quba_check.suites.suite import Suite


def unread_notes(suite: Suite, views: Iterable[View] | None = None) -> list[str]:
    """Return a note on each set with files that are not read.

    Args:
        suite: the suite.
        views: the views whose files are listed; by default all with images.

    Raises:
        SuiteError: a set has another layout than its reader expects.
    """
    return [
        f"{name}: {count.unread_text}"
        for name, count in suite.counts(views).items()
        if count.unread and not suite.is_generated(View(name))
    ]

"""Where a run's suite is."""

from __future__ import annotations

import os
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.suite import Suite, open_suite

DEMO_SUITE = "demo"


def suite_at(where: str | Path | None, store: Path) -> Suite:
    """The suite of a data folder, of `"demo"`, or of `$QUBA_DATA`.

    Args:
        where: a folder or `"demo"`; None takes `$QUBA_DATA`.
        store: folder in which the demo's images are made on first use.

    Raises:
        SuiteError: there is no folder, or it holds no suite.
    """
    if where == DEMO_SUITE:
        from quba_check.demo.suite import demo_root

        return open_suite(demo_root(store))
    named = where if where is not None else os.environ.get("QUBA_DATA")
    if named is None:
        raise SuiteError(
            "--quba-data: no data folder is named. Allowed: a folder with a quba-data.yaml, or with the "
            "ImageNet family's folders. Name it with --quba-data DIR, $QUBA_DATA or the ini value quba_data."
        )
    return open_suite(Path(named))

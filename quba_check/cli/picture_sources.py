"""Images behind stored runs, for pictures in reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quba_check.comparison.stored_run import StoredRun
from quba_check.demo import DEMO_MODELS
from quba_check.errors import UserError
from quba_check.page.pictures import ImageSource
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.set_images import SetImages


def picture_sources(
    runs: Sequence[StoredRun], data: str | Path | None, store: Path
) -> list[ImageSource | str]:
    """Return the images of each run, or the reason why they are missing.

    Args:
        runs: the runs.
        data: the data folder or its URL; None for the folder of each run.
        store: folder of the demo's images, which are drawn if missing.

    Raises:
        UserError: the data folder is missing or holds no suite. A missing folder of a run is no error here.
    """
    return [_source(run, data, store) for run in runs]


def _source(run: StoredRun, data: str | Path | None, store: Path) -> ImageSource | str:
    record = run.record
    sampler = SubsetSampler(record.limit, record.environment.seed)
    own = None if record.model.spec in DEMO_MODELS else record.suite.root
    try:
        return SetImages.of_run(own if data is None else data, sampler, store)
    except UserError as why:
        if data is not None:
            raise
        return f"{why} Another folder: --data DIR."

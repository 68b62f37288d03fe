"""Runs of demo models, which bring their own images and thresholds."""

from __future__ import annotations

from pathlib import Path

from quba_check.demo import DEMO_MODELS
from quba_check.errors import OptionError
from quba_check.gate.options import Options
from quba_check.gate.threshold_files import shown_path


def _shown_place(place: str | Path, root: Path) -> str:
    return place if isinstance(place, str) else shown_path(place, root)


def is_demo_run(options: Options, root: Path) -> bool:
    """Return True if all models are demo models.

    Raises:
        OptionError: demo models together with another model or a data folder.
    """
    demos = [spec for spec in options.models if spec in DEMO_MODELS]
    others = [spec for spec in options.models if spec not in DEMO_MODELS]
    if demos and others:
        raise OptionError(
            f"--model: '{demos[0]}' brings its own images and thresholds; it cannot be judged together "
            f"with '{others[0]}'. Use two runs."
        )
    if demos and options.data is not None and not options.data_is_default:
        raise OptionError(
            f"--quba-data: got '{_shown_place(options.data, root)}', but '{demos[0]}' brings its own images. "
            "Allowed: a data folder for any other model. Leave the option out, or name another model."
        )
    return bool(demos)

"""What the models of a run are called."""

from __future__ import annotations

import os
from collections.abc import Iterable

from quba_check.errors import OptionError
from quba_check.models.specs import check_spec


def names_of(specs: Iterable[str]) -> dict[str, str]:
    """Unique names for model specs: name → spec.

    Names differ by more than capitals, so that files named after them differ on every file system.

    Raises:
        ModelError: one of them is no model spec.
        OptionError: one is given twice.
    """
    names: dict[str, str] = {}
    for spec in specs:
        same = next((other for other in names.values() if _plain(other) == _plain(spec)), None)
        if same is not None:
            again = "" if same == spec else f", first as '{same}'"
            raise OptionError(f"--model: '{spec}' is given twice{again}. Name each model once.")
        name = check_spec(spec).name
        taken = {known.casefold() for known in names}
        candidates = (name, *(f"{name}~{number}" for number in range(2, len(names) + 2)))
        names[next(one for one in candidates if one.casefold() not in taken)] = spec
    return names


def _plain(spec: str) -> str:
    """Return an existing path without `.` and `..`, and any other spec unchanged."""
    return os.path.abspath(spec) if os.path.exists(spec) else spec  # noqa: PTH100, PTH110  never raise

"""The folder of made sets: whole or not there, and never in place of something else."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from quba_check.errors import SuiteError
from quba_check.suites.object_focus.pairing import Pairing

ORIGINS = "object-focus.json"
"""Beside the sets: the settings they were made with, and for every picture the images it is made of."""
_SCHEMA = 1


@contextmanager
def replaced(out: Path, made_with: Mapping[str, object]) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` if all goes well.

    Args:
        out: may be missing, empty, or hold what was made with the same settings.
        made_with: the settings, as JSON knows them.

    Raises:
        SuiteError: `out` holds something else, or cannot be written.
    """
    _check_free(out, made_with)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            new = aside / "new"
            new.mkdir()
            yield new
            _put(new, out, aside / "old")
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise SuiteError(f"{out}: cannot be written ({error.strerror or error}).") from None


def _put(new: Path, out: Path, old: Path) -> None:
    """Move a folder to its place; what was there comes back if that fails."""
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        if old.exists():
            old.rename(out)
        raise


def write_origins(
    folder: Path,
    made_with: Mapping[str, object],
    left_out: Mapping[str, list[str]],
    pairs: Mapping[str, Pairing],
) -> None:
    """Write the file that says what was made, and of what.

    Args:
        folder: that of the two sets.
        made_with: the settings.
        left_out: names of clean images by why they take no part.
        pairs: by the name that the picture has in both sets.
    """
    content = {
        "schema": _SCHEMA,
        "made_with": dict(made_with),
        "left_out": dict(left_out),
        "pictures": {name: asdict(pair) for name, pair in pairs.items()},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / ORIGINS).write_text(text, encoding="utf-8", newline="\n")


def _check_free(out: Path, made_with: Mapping[str, object]) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise SuiteError(f"{out}: this is a file. Allowed: a new or empty folder.")
    if not any(out.iterdir()):
        return
    before = _made_with(out / ORIGINS)
    if before is None:
        raise SuiteError(f"{out}: the folder is not empty. Allowed: a new or empty one; name it with -o.")
    for name, value in made_with.items():
        if before.get(name) != value:
            raise SuiteError(
                f"{out}: was made with {name} {_shown(before.get(name))}, got {_shown(value)}. "
                "Remove the folder, or name another with -o."
            )


def _made_with(path: Path) -> dict[str, Any] | None:
    """The settings in an earlier file; None where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    settings = content.get("made_with") if isinstance(content, dict) else None
    return settings if isinstance(settings, dict) else None


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)

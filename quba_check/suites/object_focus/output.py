"""The folder of made sets, replaced as a whole, never over other content."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.storage.json_text import parse_json

ORIGINS = "object-focus.json"
"""File next to the sets, with their settings and the source images of every picture."""


@contextmanager
def replace_folder(out: Path, settings: Mapping[str, object]) -> Iterator[Path]:
    """Give a folder to write into, which replaces `out` if no error occurs.

    Args:
        out: may be missing, empty, or hold sets made with the same settings.
        settings: as stored in JSON.

    Raises:
        SuiteError: `out` holds something else, or cannot be written.
    """
    _check_free(out, settings)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            new, old = aside / "new", aside / "old"
            new.mkdir()
            yield new
            if out.exists():
                out.rename(old)
            try:
                new.rename(out)
            except BaseException:
                if old.exists():
                    old.rename(out)
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise SuiteError(f"{out}: cannot be written ({error.strerror or error}).") from None


def _check_free(out: Path, settings: Mapping[str, object]) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise SuiteError(f"{out}: this is a file. Allowed: a new or empty folder.")
    if not any(out.iterdir()):
        return
    try:
        earlier = dict(parse_json((out / ORIGINS).read_text(encoding="utf-8"))["made_with"])
    except (OSError, ValueError, TypeError, KeyError):
        raise SuiteError(
            f"{out}: the folder is not empty. Allowed: a new or empty one; name it with -o."
        ) from None
    for name, value in settings.items():
        if earlier.get(name) != value:
            before, now = ("nothing" if entry is None else entry for entry in (earlier.get(name), value))
            raise SuiteError(
                f"{out}: was made with {name} {before}, got {now}. Remove the folder, or name another with "
                "-o."
            )

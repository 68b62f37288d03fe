"""The shipped threshold files: inside the installed package, or next to it in a checkout."""

from __future__ import annotations

import os
from pathlib import Path

from quba_check.errors import ThresholdError
from quba_check.messages import listed, nearest
from quba_check.storage.user_files import file_kind, neighbours

_PACKAGE = Path(__file__).resolve().parents[1]
_SUFFIXES = (".yaml", ".yml")

DEMO_THRESHOLDS = _PACKAGE / "demo" / "thresholds.yaml"
"""The thresholds of the demo's models."""
_SIMILAR = 0.75
"""Share of common letters from which on a name is suggested: `nofile` is not meant for `mobile` (0.67)."""


def shipped_profiles() -> dict[str, Path]:
    """Return the shipped threshold files by profile name (`default`, `mobile`, …)."""
    inside = _PACKAGE / "thresholds"
    folder = inside if inside.is_dir() else _PACKAGE.parent / "thresholds"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def display_name(path: Path) -> str:
    """Return the name of a file in messages and ids, stable for shipped files."""
    shipped = {os.path.realpath(file): name for name, file in _shipped_files().items()}
    return shipped.get(os.path.realpath(path), str(path))


def find_thresholds(text: str, base: Path, extended_by: Path | None = None) -> Path:
    """Return the path of a threshold file or shipped profile.

    Args:
        text: a path, absolute or relative to `base`, or a shipped profile, such as `mobile`, `mobile.yaml` or
            `quba_check/thresholds/mobile.yaml`. An existing file takes precedence over a profile.
        base: the folder of relative paths.
        extended_by: the file that extends it. In a file with the name of a shipped profile, that name means
            the profile: no file extends itself.

    Raises:
        ThresholdError: no such file or profile, or the text cannot be a path.
    """
    path = base / text
    profiles = shipped_profiles()
    shipped = profiles | _shipped_files() | {file.name: file for file in profiles.values()}
    extending_path = None if extended_by is None else os.path.realpath(extended_by)
    kind = file_kind(path, text, ThresholdError)
    if kind == "file" and not (text in shipped and os.path.realpath(path) == extending_path):
        return path
    if text in shipped:
        return shipped[text]
    if text and kind == "folder":
        raise ThresholdError(
            "this is a folder", where=text, allowed=f"a threshold file, or {listed(profiles)}"
        )
    candidates = {name: name for name in profiles}
    candidates |= {file.stem: file.name for file in neighbours(path) if file.suffix in _SUFFIXES}
    word = Path(text).stem if text.endswith(_SUFFIXES) else Path(text).name
    near = nearest(word, candidates, cutoff=_SIMILAR)
    suggestion = f"Did you mean '{candidates[near]}'? " if near else ""
    raise ThresholdError(
        "there is no such threshold file, and no shipped profile of that name",
        where=text,
        hint=f"{suggestion}Shipped: {listed(profiles)}.",
    )


def _shipped_files() -> dict[str, Path]:
    """Return the shipped files by their names in messages."""
    profiles = {f"quba_check/thresholds/{file.name}": file for file in shipped_profiles().values()}
    return profiles | {"quba_check/demo/thresholds.yaml": DEMO_THRESHOLDS}

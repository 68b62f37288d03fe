"""Where the shipped threshold files are: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

import os
from pathlib import Path

from quba_check.errors import ThresholdError, listed, nearest
from quba_check.storage.user_files import file_kind

_PACKAGE = Path(__file__).resolve().parents[1]
_SUFFIXES = (".yaml", ".yml")

DEMO_THRESHOLDS = _PACKAGE / "demo" / "thresholds.yaml"
"""What the demo's models are held to."""


def shipped_profiles() -> dict[str, Path]:
    """The shipped threshold files by profile name (`default`, `mobile`, …)."""
    inside = _PACKAGE / "thresholds"
    folder = inside if inside.is_dir() else _PACKAGE.parent / "thresholds"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def display_name(path: Path) -> str:
    """How messages and ids call a file: a stable name for shipped ones, which can be typed; else its path."""
    shipped = {os.path.realpath(file): name for name, file in _shipped_files().items()}
    return shipped.get(os.path.realpath(path), str(path))


def find_thresholds(text: str, base: Path, extended_by: Path | None = None) -> Path:
    """The threshold file that a text means.

    Args:
        text: a path, absolute or relative to `base`, or a shipped profile as `mobile`, `mobile.yaml` or
            `quba_check/thresholds/mobile.yaml`. A file that is there comes before a profile.
        base: folder.
        extended_by: the file that extends it. The name of a shipped profile in the file of the same name
            means the profile: no file extends itself.

    Raises:
        ThresholdError: there is neither, or the text cannot be a path.
    """
    path = base / text
    profiles = shipped_profiles()
    shipped = profiles | _shipped_files() | {file.name: file for file in profiles.values()}
    means_profile = (
        extended_by is not None
        and text in shipped
        and os.path.realpath(path) == os.path.realpath(extended_by)
    )
    if file_kind(path, text, ThresholdError) == "file" and not means_profile:
        return path
    if text in shipped:
        return shipped[text]
    names = {name: name for name in profiles} | _beside(path)
    near = nearest(Path(text).stem if text.endswith(_SUFFIXES) else Path(text).name, names)
    meant = f" Did you mean '{names[near]}'?" if near else ""
    raise ThresholdError(
        f"{text}: there is no such threshold file, and no shipped profile of that name.{meant} "
        f"Shipped: {listed(profiles)}."
    )


def _beside(path: Path) -> dict[str, str]:
    """Threshold files in the folder in which one is missing, by their names without suffix."""
    try:
        return {file.stem: file.name for file in sorted(path.parent.iterdir()) if file.suffix in _SUFFIXES}
    except OSError:
        return {}


def _shipped_files() -> dict[str, Path]:
    """Shipped files by the names that messages show."""
    profiles = {f"quba_check/thresholds/{file.name}": file for file in shipped_profiles().values()}
    return profiles | {"quba_check/demo/thresholds.yaml": DEMO_THRESHOLDS}

"""The environment of a run: versions, device, time and commit."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from quba_check.records.record import ComputeRow, EnvironmentRow

_PACKAGES = (
    "quba-check",
    "torch",
    "timm",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "onnxruntime",
    "ai-edge-litert",
    "openvino",
    "open_clip_torch",
)


def environment(device: str, compute: ComputeRow, seed: int) -> EnvironmentRow:
    """Return the environment of this process, now and in the current folder."""
    return EnvironmentRow(
        versions=installed_versions(),
        device=device,
        precision=compute.precision,
        compute=compute,
        seed=seed,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        git=_git_commit(),
    )


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages on which values depend."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _git_commit() -> str | None:
    """Return the commit of the current folder, with `+` for changes; None outside a repository."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=40"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None

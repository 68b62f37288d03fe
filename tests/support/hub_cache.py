"""Folders in the layout of the Hugging Face Hub's cache."""

from pathlib import Path

COMMIT = "0" * 40


def snapshot(cache: Path, name: str) -> Path:
    """Make the empty folder of a repository's only commit."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    return folder / "snapshots" / COMMIT

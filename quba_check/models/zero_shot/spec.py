"""Specs of zero-shot models, `open_clip:…`. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import ModelError
from quba_check.messages import did_you_mean
from quba_check.storage.user_files import expand_home, file_kind, neighbours

OPEN_CLIP_PREFIX = "open_clip:"
HUB = "hf-hub:"
FOLDER = "local-dir:"
CONFIG = "open_clip_config.json"
_WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".npz")
_FOLDER_SUFFIXES = (".safetensors", ".bin", ".pth")
"""Suffixes of the weights that open_clip looks for in a folder."""
_ALLOWED = (
    "open_clip:NAME/TAG, open_clip:NAME/WEIGHTS_FILE, open_clip:hf-hub:OWNER/NAME, open_clip:local-dir:FOLDER"
)


@dataclass(frozen=True, slots=True)
class ZeroShotSpec:
    """The text after `open_clip:`, in the terms of open_clip.

    Attributes:
        model: name of an architecture, or `hf-hub:` or `local-dir:` with its place.
        weights: a tag of that architecture's weights, or a file; None if `model` brings its own.
        name: its name in reports.
    """

    model: str
    weights: str | None
    name: str

    @property
    def file(self) -> Path | None:
        """The file with the weights, None if none is named."""
        path = Path(self.weights).expanduser() if self.weights else None
        return path if path is not None and path.is_file() else None


def zero_shot_spec(text: str) -> ZeroShotSpec:
    """Parse a spec that begins with `open_clip:`.

    Raises:
        ModelError: it names no weights, or a file or folder that is missing or holds no model.

    >>> zero_shot_spec("open_clip:ViT-B-32/openai").name
    'ViT-B-32-openai'
    """
    name = text.removeprefix(OPEN_CLIP_PREFIX)
    if name.startswith(FOLDER) and name != FOLDER:
        folder = expand_path(name.removeprefix(FOLDER), spec=text)
        _check_folder(text, folder)
        return ZeroShotSpec(f"{FOLDER}{folder}", None, folder.resolve().name)
    if name.startswith(HUB) and name.count("/") == 1:
        return ZeroShotSpec(name, None, name.rpartition("/")[2])
    model, _, weights = name.partition("/")
    if not model or not weights or ":" in model:
        raise ModelError("does not name model and weights", where=text, allowed=_ALLOWED)
    path = expand_path(weights, spec=text)
    if path.suffix.lower() in _WEIGHT_SUFFIXES and not path.is_file():
        names = [file.name for file in neighbours(path, Path.is_file)]
        raise ModelError(f"there is no weights file {path}.{did_you_mean(path.name, names)}", where=text)
    return ZeroShotSpec(model, weights, f"{model}-{path.stem if path.is_file() else weights}")


def expand_path(path: str, *, spec: str) -> Path:
    """Return a path with `~` expanded, if the file system can look it up.

    Args:
        path: as given; it need not exist.
        spec: the model's spec, for messages.

    Raises:
        ModelError: there is no such home folder, or the path cannot be looked up.
    """
    plain = expand_home(path, spec, ModelError)
    file_kind(plain, spec, ModelError)
    return plain


def _check_folder(text: str, folder: Path) -> None:
    """Check that config and weights are regular files, since a pipe could block."""
    files = folder.iterdir() if folder.is_dir() else []
    needed = [folder / CONFIG, *(path for path in files if path.suffix in _FOLDER_SUFFIXES)]
    if len(needed) == 1 or not all(path.is_file() for path in needed):
        suffixes = ", ".join(_FOLDER_SUFFIXES)
        raise ModelError(
            f"{text}: there is no model in {folder}. Allowed: a folder with {CONFIG} and a {suffixes} file."
        )

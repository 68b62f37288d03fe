"""Specs of zero-shot models: the text after `open_clip:`, parsed without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import ModelError
from quba_check.messages import did_you_mean
from quba_check.models.specs import OPEN_CLIP_PREFIX, expanded_path
from quba_check.storage.user_files import neighbours

FOLDER = "local-dir:"
CLIP_CONFIG = "open_clip_config.json"
_HUB = "hf-hub:"
_WEIGHTS = (".pt", ".pth", ".bin", ".safetensors", ".npz")
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
        folder = expanded_path(name.removeprefix(FOLDER), spec=text)
        _check_folder(text, folder)
        return ZeroShotSpec(f"{FOLDER}{folder}", None, folder.resolve().name)
    if name.startswith(_HUB) and name.count("/") == 1:
        return ZeroShotSpec(name, None, name.rpartition("/")[2])
    model, _, weights = name.partition("/")
    if not model or not weights or ":" in model:
        raise ModelError("does not name model and weights", where=text, allowed=_ALLOWED)
    path = expanded_path(weights, spec=text)
    if path.suffix.lower() in _WEIGHTS and not path.is_file():
        names = [file.name for file in neighbours(path, _could_be_weights)]
        raise ModelError(f"there is no weights file {path}.", where=text, hint=did_you_mean(path.name, names))
    return ZeroShotSpec(model, weights, f"{model}-{path.stem if path.is_file() else weights}")


def _could_be_weights(path: Path) -> bool:
    """True for a file with the suffix of weights; messages suggest no other files."""
    return path.name.lower().endswith(_WEIGHTS) and path.is_file()


def _check_folder(text: str, folder: Path) -> None:
    """Check that config and weights are regular files, since a pipe could block."""
    files = folder.iterdir() if folder.is_dir() else []
    needed = [folder / CLIP_CONFIG, *(path for path in files if path.suffix in _FOLDER_SUFFIXES)]
    if len(needed) == 1 or not all(path.is_file() for path in needed):
        raise ModelError(
            f"there is no model in {folder}.",
            where=text,
            allowed=f"a folder with {CLIP_CONFIG} and a {', '.join(_FOLDER_SUFFIXES)} file",
        )

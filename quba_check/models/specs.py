"""Model specs, the text after `--model=`, and their kinds. Every pytest run imports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import ModelError
from quba_check.storage.user_files import expand_home, file_kind

CONFIG = "config.json"
OPEN_CLIP_PREFIX = "open_clip:"
WITH_CODE = "give --model=package.module:callable (docs/models.md)"
"""The way out for every model without a kind of its own, as the end of messages."""
KERAS_WAY_OUT = "Save it again as .keras by Keras 3, or export it to ONNX or TFLite."


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A kind of models, and how a spec shows it.

    Attributes:
        name: its name.
        loader: `module:function` in this folder, which returns a `LoadedModule` for a `ModelSpec` and a
            `LoadRequest`. It is imported when a model is loaded, since some libraries take seconds.
        help: the specs of this kind, for help and messages.
        names: specs that stand for a model.
        prefixes: beginnings of specs.
        suffixes: ends of the names of files.
        members: members of zip archives with the suffix of a checkpoint, below their folder if with `/`.
        marker: file in each folder of this kind.
        takes_architecture: True if `--quba-arch` applies.
        takes_provider: True if `--quba-device` may name a provider of onnxruntime.
        is_zero_shot: True if models answer in the suite's classes, whatever these are.
    """

    name: str
    loader: str
    help: str
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    marker: str = ""
    takes_architecture: bool = False
    takes_provider: bool = False
    is_zero_shot: bool = False

    @property
    def is_path(self) -> bool:
        """True if a spec is the path of a file or folder."""
        return bool(self.suffixes or self.marker)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A parsed model spec.

    Attributes:
        text: the spec as given.
        kind: the kind of model.
        name: the model's name in reports: the demo's name, the file name without its suffix, the timm name,
            or the callable as given.
    """

    text: str
    kind: ModelKind
    name: str

    @property
    def path(self) -> Path:
        """The file or folder of a spec that names one."""
        return Path(self.text).expanduser()


def expanded_path(path: str, *, spec: str) -> Path:
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

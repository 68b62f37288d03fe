"""Model specs: the text after `--model=`, parsed without torch."""

from __future__ import annotations

import os
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quba_check.demo import DEMO_MODELS
from quba_check.errors import ModelError, OptionError
from quba_check.messages import did_you_mean, nearest, one_line
from quba_check.storage.user_files import expand_home, file_kind, neighbours

ProgramKind = Literal["onnx", "tflite", "openvino", "keras", "torchscript", "exported"]
Kind = Literal["demo", "file", "folder", "timm", "hub", "open_clip", "callable"] | ProgramKind

OPEN_CLIP_PREFIX = "open_clip:"
FOLDER = "local-dir:"
CLIP_CONFIG = "open_clip_config.json"
_WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".npz")
_FOLDER_SUFFIXES = (".safetensors", ".bin", ".pth")
"""Suffixes of the weights that open_clip looks for in a folder."""
_ZERO_SHOT = (
    "open_clip:NAME/TAG, open_clip:NAME/WEIGHTS_FILE, open_clip:hf-hub:OWNER/NAME, open_clip:local-dir:FOLDER"
)
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".pth.tar", ".th", ".ckpt", ".bin", ".safetensors")
CONFIG = "config.json"
PROGRAMS: dict[str, Kind] = {".pt2": "exported", ".onnx": "onnx", ".tflite": "tflite", ".xml": "openvino"}
PROGRAMS |= {".torchscript": "torchscript", ".keras": "keras"}
"""Kinds of program files by suffix."""
_SUFFIXES = (*CHECKPOINT_SUFFIXES, *PROGRAMS)
TIMM_PREFIX = "timm:"
HUB_PREFIX = "hf-hub:"
PREFIXES: dict[str, Kind] = {
    TIMM_PREFIX: "timm",
    HUB_PREFIX: "hub",
    "hf:": "hub",
    OPEN_CLIP_PREFIX: "open_clip",
}
ALLOWED = (
    f"{', '.join(DEMO_MODELS)}, a checkpoint file ({', '.join(CHECKPOINT_SUFFIXES)}), "
    "an exported program (.pt2), an ONNX file (.onnx), a TFLite file (.tflite), an OpenVINO file (.xml), "
    "a Keras file (.keras), "
    f"a folder with {CONFIG}, "
    f"{TIMM_PREFIX}NAME, hf:OWNER/NAME, {OPEN_CLIP_PREFIX}NAME/WEIGHTS, package.module:callable"
)
WITH_CODE = "give --model=package.module:callable (docs/models.md)"
"""The way out for every model without a kind of its own, as the end of messages."""
KERAS_WAY_OUT = "Save it again as .keras by Keras 3, or export it to ONNX or TFLite."

_OLD_PROGRAM = "serialized_exported_program.json"
"""Member of the archives that `torch.export.save` wrote before the present format."""
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_NAME = re.compile(r"[A-Za-z]\w*(\.\w+)?")
_CALLABLE = re.compile(f"{_DOTTED}:{_DOTTED}")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A parsed model spec.

    Attributes:
        text: the spec as given.
        kind: the kind of model, which selects the loader.
        name: the model's name in reports: the demo's name, the file name without its suffix, the timm name,
            or the callable as given.
    """

    text: str
    kind: Kind
    name: str

    @property
    def takes_architecture(self) -> bool:
        """True if `--quba-arch` applies to the model."""
        return self.kind == "file"

    @property
    def path(self) -> Path:
        """The file or folder of a spec that names one."""
        return Path(self.text).expanduser()


def parse_spec(text: str) -> ModelSpec:
    """Parse a model spec, and check all that can be checked without torch.

    Args:
        text: the value of `--model`.

    Returns:
        The spec. A file exists, and its suffix is that of a model.

    Raises:
        ModelError: the text is not a spec, or names a file that does not exist or has another suffix.

    >>> parse_spec("timm:resnet50").name
    'resnet50'
    """
    if not text:
        raise ModelError("is empty", where="--model", allowed=ALLOWED)
    kind, name = _kind_and_name(text) if _is_printable(text) else ("file", text)
    if not _is_printable(name):
        problem = f"{text!a} names a file or folder with characters that cannot be shown"
        raise ModelError(problem, where="--model", hint="Rename it.")
    return ModelSpec(text, kind, one_line(name))


def models_by_name(texts: Iterable[str]) -> dict[str, ModelSpec]:
    """Parse model specs and give each a unique name.

    Names differ by more than capitals, so that files named after them differ on every file system.

    Raises:
        ModelError: one of them is not a model spec.
        OptionError: one is given twice.
    """
    models: dict[str, ModelSpec] = {}
    for text in texts:
        if any(_plain(spec.text) == _plain(text) for spec in models.values()):
            raise OptionError(f"'{text}' is given twice", where="--model", hint="Name each model once.")
        spec = parse_spec(text)
        used = {name.casefold() for name in models}
        candidates = (spec.name, *(f"{spec.name}~{number}" for number in range(2, len(models) + 2)))
        models[next(name for name in candidates if name.casefold() not in used)] = spec
    return models


def check_takes_architecture(arch: str, specs: Sequence[ModelSpec]) -> None:
    """Check that `--quba-arch` applies to at least one model.

    Args:
        arch: the value of the option.
        specs: the models of a run.

    Raises:
        OptionError: none of them is a checkpoint file, so the option would be ignored.
    """
    if not any(spec.takes_architecture for spec in specs):
        raise OptionError(
            f"--quba-arch: got '{arch}', but '{specs[0].text}' is not a checkpoint file and brings its own "
            "architecture. Leave the option out (also in the ini file)."
        )


def _is_printable(text: str) -> bool:
    """True if a text has no control characters, line breaks or bytes outside UTF-8."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)


def _plain(spec: str) -> str:
    """Return an existing path without `.` and `..`, and any other spec unchanged."""
    return os.path.abspath(spec) if os.path.exists(spec) else spec  # noqa: PTH100, PTH110  never raise


def _kind_and_name(text: str) -> tuple[Kind, str]:
    if text in DEMO_MODELS:
        return "demo", text
    for prefix, kind in PREFIXES.items():
        name = text.removeprefix(prefix)
        if name not in (text, ""):
            return kind, zero_shot_spec(text).name if kind == "open_clip" else name
    path = _expanded(text, spec=text)
    suffix = next((end for end in _SUFFIXES if path.name.lower().endswith(end)), None)
    if suffix is not None and not path.is_dir():
        return _kind_of_file(text, path, suffix), path.name[: -len(suffix)]
    if _CALLABLE.fullmatch(text):
        return "callable", text
    if (path / CONFIG).is_file():
        return "folder", path.resolve().name
    if (path.suffix.lower() in (".h5", ".hdf5") and path.is_file()) or (path / "saved_model.pb").is_file():
        raise ModelError(
            "is a Keras file of weights alone, or in an old format.", where=text, hint=KERAS_WAY_OUT
        )
    problem, suggestion = "not a model spec", ""
    if path.is_dir():
        problem = f"is a folder without {CONFIG}, which is not a model"
    elif path.is_file():
        problem = (
            f"is not a model file that quba-check reads; write a function that returns it, and {WITH_CODE}"
        )
    else:
        suggestion = _suggestion(text)
    raise ModelError(problem, where=text, allowed=ALLOWED, hint=suggestion.strip())


def _suggestion(text: str) -> str:
    """Return a question with the nearest demo, or the timm architecture without its prefix."""
    demo = did_you_mean(text, DEMO_MODELS)
    if demo or not _NAME.fullmatch(text):
        return demo
    # timm takes seconds to import, but here the run ends anyway.
    from timm import list_models

    near = nearest(text.partition(".")[0], list_models())
    return f" Did you mean '{TIMM_PREFIX}{near}'?" if near else ""


def _could_be_model(path: Path) -> bool:
    """True for a file with the suffix of a model; messages suggest no other files."""
    return path.name.lower().endswith((*_SUFFIXES, *_WEIGHT_SUFFIXES)) and path.is_file()


def _kind_of_file(text: str, path: Path, suffix: str) -> Kind:
    """Return the kind of an existing model file, by its suffix and archive members."""
    if not path.exists():
        near = did_you_mean(str(path), [str(file) for file in neighbours(path, _could_be_model)])
        raise ModelError(f"no such file in {path.parent.resolve()}.", where=text, hint=near.strip())
    if not path.is_file():  # opening it could block forever
        raise ModelError("is a pipe, a socket or a device", where=text, allowed="a regular file")
    if suffix in PROGRAMS:
        return PROGRAMS[suffix]
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except Exception:  # noqa: BLE001  its loader reports the problem
        return "file"
    inner = {name.partition("/")[2] for name in members}
    if "constants.pkl" in inner:
        return "torchscript"
    return "exported" if "archive_format" in inner or _OLD_PROGRAM in members else "file"


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
        folder = _expanded(name.removeprefix(FOLDER), spec=text)
        _check_folder(text, folder)
        return ZeroShotSpec(f"{FOLDER}{folder}", None, folder.resolve().name)
    if name.startswith(HUB_PREFIX) and name.count("/") == 1:
        return ZeroShotSpec(name, None, name.rpartition("/")[2])
    model, _, weights = name.partition("/")
    if not model or not weights or ":" in model:
        raise ModelError("does not name model and weights", where=text, allowed=_ZERO_SHOT)
    path = _expanded(weights, spec=text)
    if path.suffix.lower() in _WEIGHT_SUFFIXES and not path.is_file():
        names = [file.name for file in neighbours(path, _could_be_model)]
        raise ModelError(f"there is no weights file {path}.{did_you_mean(path.name, names)}", where=text)
    return ZeroShotSpec(model, weights, f"{model}-{path.stem if path.is_file() else weights}")


def _expanded(path: str, *, spec: str) -> Path:
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
    needed = [folder / CLIP_CONFIG, *(path for path in files if path.suffix in _FOLDER_SUFFIXES)]
    if len(needed) == 1 or not all(path.is_file() for path in needed):
        allowed = f"a folder with {CLIP_CONFIG} and a {', '.join(_FOLDER_SUFFIXES)} file"
        raise ModelError(f"there is no model in {folder}.", where=text, allowed=allowed)

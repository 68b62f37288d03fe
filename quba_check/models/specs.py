"""Model specs: the text after `--model=`, parsed without torch."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quba_check.demo import DEMO_MODELS
from quba_check.errors import ModelError, OptionError, did_you_mean
from quba_check.models.zero_shot.spec import OPEN_CLIP_PREFIX, expand_path, neighbours, zero_shot_spec

if TYPE_CHECKING:
    from collections.abc import Sequence


Kind = Literal[
    "demo", "file", "onnx", "torchscript", "exported", "folder", "timm", "hub", "open_clip", "callable"
]

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".pth.tar", ".ckpt", ".bin", ".safetensors")
LONGEST = 4096
CONFIG = "config.json"
PROGRAM_SUFFIX = ".pt2"
ONNX_SUFFIX = ".onnx"
TIMM_PREFIX = "timm:"
HUB_PREFIX = "hf-hub:"
ALLOWED = (
    f"{', '.join(DEMO_MODELS)}, a checkpoint file ({', '.join(CHECKPOINT_SUFFIXES)}), "
    f"an exported program ({PROGRAM_SUFFIX}), an ONNX file ({ONNX_SUFFIX}), a folder with {CONFIG}, "
    f"{TIMM_PREFIX}NAME, {HUB_PREFIX}OWNER/NAME, {OPEN_CLIP_PREFIX}NAME/WEIGHTS, package.module:callable"
)

_OLD_PROGRAM = "serialized_exported_program.json"
"""What `torch.export.save` wrote before it made archives of the present format."""
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_NAME = re.compile(r"[A-Za-z]\w*(\.\w+)?")
_CALLABLE = re.compile(f"{_DOTTED}:{_DOTTED}")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A spec that has been read.

    Attributes:
        text: the spec as it was typed.
        kind: how it is loaded.
        name: how reports call the model: the demo's name, the file name without its suffix, the timm name,
            or the callable as typed.
    """

    text: str
    kind: Kind
    name: str

    @property
    def takes_architecture(self) -> bool:
        """Whether `--quba-arch` can say how the model is built."""
        return self.kind == "file"

    @property
    def path(self) -> Path:
        """The file or folder that a spec names."""
        return Path(self.text).expanduser()


def check_spec(text: str) -> ModelSpec:
    """Read a spec, and check what can be checked without torch.

    Args:
        text: what stands after `--model=`.

    Returns:
        The spec. Of a file it is known that it exists and by its suffix is a checkpoint.

    Raises:
        ModelError: it is no spec, or names a file that is not there or not a checkpoint by its suffix.

    >>> check_spec("timm:resnet50").name
    'resnet50'
    """
    if not text:
        raise ModelError(f"--model: is empty. Allowed: {ALLOWED}.")
    if len(text) > LONGEST:
        raise ModelError(f"--model: is a text of {len(text):,} characters, which is no model spec.")
    spec = _spec(text) if _can_be_shown(text) else None
    if spec is None or not _can_be_shown(spec.name):
        raise ModelError(
            f"--model: {text!a} names a file or folder with characters that cannot be shown. Rename it."
        )
    return spec


def _can_be_shown(text: str) -> bool:
    """True if a text has no control characters, line breaks or bytes outside UTF-8."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)


def _spec(text: str) -> ModelSpec:
    if text in DEMO_MODELS:
        return ModelSpec(text, "demo", text)
    if (prefixed := _prefixed(text)) is not None:
        return prefixed
    path = expand_path(text, spec=text)
    suffixes = (*CHECKPOINT_SUFFIXES, PROGRAM_SUFFIX, ONNX_SUFFIX)
    suffix = next((end for end in suffixes if path.name.lower().endswith(end)), None)
    if suffix is not None and not path.is_dir():
        _check_file(text, path)
        return ModelSpec(text, _kind_of_file(path, suffix), path.name[: -len(suffix)])
    if _CALLABLE.fullmatch(text):
        return ModelSpec(text, "callable", text)
    if (path / CONFIG).is_file():
        return ModelSpec(text, "folder", path.resolve().name)
    if path.is_dir():
        raise ModelError(f"{text}: is a folder without {CONFIG}, which is no model. Allowed: {ALLOWED}.")
    if path.is_file():
        raise ModelError(f"{text}: is not a checkpoint file, got suffix '{path.suffix}'. Allowed: {ALLOWED}.")
    raise ModelError(f"{text}: is no model spec. Allowed: {ALLOWED}.{_meant(text)}")


def _prefixed(text: str) -> ModelSpec | None:
    """A spec whose kind stands before a colon."""
    kinds: dict[str, Kind] = {TIMM_PREFIX: "timm", HUB_PREFIX: "hub", OPEN_CLIP_PREFIX: "open_clip"}
    for prefix, kind in kinds.items():
        name = text.removeprefix(prefix)
        if name not in (text, ""):
            return ModelSpec(text, kind, zero_shot_spec(text).name if kind == "open_clip" else name)
    return None


def check_takes_architecture(arch: str, specs: Sequence[ModelSpec]) -> None:
    """Check that `--quba-arch` is about one of the models: it names the architecture of checkpoint files.

    Args:
        arch: what the option says.
        specs: the models of a run.

    Raises:
        OptionError: none of them is a checkpoint file; it would have been ignored.
    """
    if not any(spec.takes_architecture for spec in specs):
        raise OptionError(
            f"--quba-arch: got '{arch}', but '{specs[0].text}' is no checkpoint file and brings its own "
            "architecture. Leave the option out (also of the ini file)."
        )


def _meant(text: str) -> str:
    """What a text that is no spec was meant to be: a demo, or a timm architecture without its prefix."""
    near = did_you_mean(text, DEMO_MODELS)
    if near or not _NAME.fullmatch(text):
        return near
    # timm takes seconds to import; here the run has ended anyway.
    from quba_check.models.checkpoints.timm_architectures import is_architecture, nearest_architectures

    names = [text] if is_architecture(text) else nearest_architectures(text, 1)
    return f" Did you mean '{TIMM_PREFIX}{names[0]}'?" if names else ""


def _check_file(text: str, path: Path) -> None:
    if path.is_file():
        return
    if not path.parent.is_dir():
        raise ModelError(f"{text}: no such file; the folder {path.parent.resolve()} does not exist either.")
    if path.exists():  # opening it could wait forever
        raise ModelError(f"{text}: is a pipe, a socket or a device. Allowed: a regular file.")
    names = [str(file) for file in neighbours(path)]
    raise ModelError(f"{text}: no such file in {path.parent.resolve()}.{did_you_mean(str(path), names)}")


def _kind_of_file(path: Path, suffix: str) -> Kind:
    """What a file holds, by its suffix or, where it may be weights or a program, by its members."""
    if suffix in (ONNX_SUFFIX, PROGRAM_SUFFIX):
        return "onnx" if suffix == ONNX_SUFFIX else "exported"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except Exception:  # noqa: BLE001  not one of these, or damaged in one of many ways: reading it will tell
        return "file"
    inner = {name.partition("/")[2] for name in members}
    if "constants.pkl" in inner:
        return "torchscript"
    return "exported" if "archive_format" in inner or _OLD_PROGRAM in members else "file"

"""Parsing of model specs, without torch."""

from __future__ import annotations

import os
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from quba_check.demo import DEMO_MODELS
from quba_check.errors import ModelError, OptionError
from quba_check.messages import did_you_mean, nearest, one_line
from quba_check.models.kinds import ALLOWED, CALLABLE, CHECKPOINT, KINDS, SUFFIXES
from quba_check.models.specs import (
    CONFIG,
    KERAS_WAY_OUT,
    OPEN_CLIP_PREFIX,
    WITH_CODE,
    ModelKind,
    ModelSpec,
    expanded_path,
)
from quba_check.models.zero_shot.spec import zero_shot_spec
from quba_check.storage.user_files import neighbours

_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_NAME = re.compile(r"[A-Za-z]\w*(\.\w+)?")
_CALLABLE = re.compile(f"{_DOTTED}:{_DOTTED}")


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
    kind, name = _kind_and_name(text) if _is_printable(text) else (CHECKPOINT, text)
    if not _is_printable(name):
        raise ModelError(
            f"{text!a} names a file or folder with characters that cannot be shown",
            where="--model",
            hint="Rename it.",
        )
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
    if not any(spec.kind.takes_architecture for spec in specs):
        raise OptionError(
            where="--quba-arch",
            got=f"'{arch}', but '{specs[0].text}' is not a checkpoint file and brings its own architecture",
            hint="Leave the option out (also in the ini file).",
        )


def _is_printable(text: str) -> bool:
    """True if a text has no control characters, line breaks or bytes outside UTF-8."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)


def _plain(spec: str) -> str:
    """Return an existing path without `.` and `..`, and any other spec unchanged."""
    return os.path.abspath(spec) if os.path.exists(spec) else spec  # noqa: PTH100, PTH110  never raise


def _kind_and_name(text: str) -> tuple[ModelKind, str]:
    for kind in KINDS:
        if text in kind.names:
            return kind, text
        prefix = next((prefix for prefix in kind.prefixes if text.startswith(prefix)), text)
        if prefix != text:
            name = text.removeprefix(prefix)
            return kind, zero_shot_spec(text).name if prefix == OPEN_CLIP_PREFIX else name
    path = expanded_path(text, spec=text)
    suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), None)
    if suffix is not None and not path.is_dir():
        return _kind_of_file(text, path, suffix), path.name[: -len(suffix)]
    if _CALLABLE.fullmatch(text):
        return CALLABLE, text
    for kind in KINDS:
        if kind.marker and (path / kind.marker).is_file():
            return kind, path.resolve().name
    raise _refusal(text, path)


def _refusal(text: str, path: Path) -> ModelError:
    """Return the error for a text that is no model spec."""
    if (path.suffix.lower() in (".h5", ".hdf5") and path.is_file()) or (path / "saved_model.pb").is_file():
        problem = "is a Keras file of weights alone, or in an old format."
        return ModelError(problem, where=text, hint=KERAS_WAY_OUT)
    problem = "not a model spec"
    suggestion = ""
    if path.is_dir():
        problem = f"is a folder without {CONFIG}, which is not a model"
    elif path.is_file():
        problem = (
            f"is not a model file that quba-check reads; write a function that returns it, and {WITH_CODE}"
        )
    else:
        suggestion = _suggestion(text)
    return ModelError(problem, where=text, allowed=ALLOWED, hint=suggestion)


def _suggestion(text: str) -> str:
    """Return a question with the nearest demo, or the timm architecture without its prefix."""
    demo = did_you_mean(text, DEMO_MODELS)
    if demo or not _NAME.fullmatch(text):
        return demo
    # timm takes seconds to import, but here the run ends anyway.
    from timm import list_models

    near = nearest(text.partition(".")[0], list_models())
    return f"Did you mean 'timm:{near}'?" if near else ""


def _could_be_model(path: Path) -> bool:
    """True for a file with the suffix of a model; messages suggest no other files."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def _kind_of_file(text: str, path: Path, suffix: str) -> ModelKind:
    """Return the kind of an existing model file, by its suffix and archive members."""
    if not path.exists():
        raise ModelError(
            f"no such file in {path.parent.resolve()}.",
            where=text,
            hint=did_you_mean(str(path), [str(file) for file in neighbours(path, _could_be_model)]),
        )
    if not path.is_file():  # opening it could block forever
        raise ModelError("is a pipe, a socket or a device", where=text, allowed="a regular file")
    if suffix not in CHECKPOINT.suffixes:
        return next(kind for kind in KINDS if suffix in kind.suffixes)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # noqa: BLE001  its loader reports the problem
        return CHECKPOINT
    members = {*names, *(f"/{name.partition('/')[2]}" for name in names)}
    return next((kind for kind in KINDS if not members.isdisjoint(kind.members)), CHECKPOINT)

"""The list of a fleet's models: a model spec in each line."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from quba_check.errors import OptionError
from quba_check.messages import did_you_mean
from quba_check.models.specs import CHECKPOINT_SUFFIXES, HUB_PREFIX, PROGRAMS, TIMM_PREFIX
from quba_check.models.zero_shot.spec import OPEN_CLIP_PREFIX
from quba_check.storage.user_files import read_text

MODEL_OPTIONS: Mapping[str, str] = {"arch": "--quba-arch", "preprocessing": "--quba-preprocessing"}
"""Options of a single model, and the option of pytest that each becomes."""
LARGEST = 2**20
"""Largest size of a list in bytes, which has room for more than 10,000 models."""
_COMMENT = re.compile(r"(?:^|\s)#")
"""Start of a comment, unless it is in quotation marks."""
_AWKWARD = re.compile(r"[^A-Za-z0-9._]+")
LONGEST_NAME = 100
"""Largest length of a name, which is also that of a folder."""
_DIGITS = 8
_PREFIXES = (TIMM_PREFIX, HUB_PREFIX, OPEN_CLIP_PREFIX)
_SUFFIXES = (*sorted(CHECKPOINT_SUFFIXES, key=len, reverse=True), *PROGRAMS)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model of the list.

    Attributes:
        text: its spec, as `--model` takes it.
        name: unique name in reports, and of its folder.
        options: its own options by name, see `MODEL_OPTIONS`.
    """

    text: str
    name: str
    options: Mapping[str, str]


def read_models(path: Path) -> tuple[ListedModel, ...]:
    """Read a list of models.

    Each line has a spec, which may be followed by options such as `arch=resnet50`. `#` begins a comment,
    except within a word or quotation marks.
    Relative paths are relative to the current folder, as those of `--model`.

    Args:
        path: the file.

    Raises:
        OptionError: the file cannot be read, or a line is not allowed.
    """
    lines: dict[str, tuple[int, dict[str, str]]] = {}
    for number, line in enumerate(_content(path).splitlines(), start=1):
        where = f"{path}:{number}"
        words = _words(line, where)
        if not words:
            continue
        text, *options = words
        if text in lines:
            raise OptionError(
                f"{where}: '{text}' is listed twice, first in line {lines[text][0]}. Name each model once."
            )
        lines[text] = number, _options(options, where)
    if not lines:
        raise OptionError(f"{path}: the file lists no model. Allowed: a model spec in each line.")
    names = unique_names(list(lines))
    return tuple(
        ListedModel(text, name, options)
        for (text, (_, options)), name in zip(lines.items(), names, strict=True)
    )


def unique_names(texts: Sequence[str]) -> list[str]:
    """Return a name for each spec that can also be the name of a folder.

    Names differ by more than capitals. Files of the same name get those of their folders in front.

    >>> unique_names(["timm:resnet50", "a/best.pt", "b/best.pt"])
    ['resnet50', 'a-best', 'b-best']
    """
    parts = [_parts(text) for text in texts]
    names = [_joined(part[-1:]) for part in parts]
    for depth in range(2, max(map(len, parts)) + 1):
        counts = Counter(map(str.casefold, names))
        deeper = [_joined(part[-depth:]) for part in parts]
        names = [
            own if counts[own.casefold()] == 1 else long for own, long in zip(names, deeper, strict=True)
        ]
    counts = Counter(map(str.casefold, names))
    digests = [hashlib.sha256(text.encode()).hexdigest()[:_DIGITS] for text in texts]
    return [
        name if counts[name.casefold()] == 1 else f"{name}-{digest}"
        for name, digest in zip(names, digests, strict=True)
    ]


def _content(path: Path) -> str:
    try:
        return read_text(path, str(path), OptionError, LARGEST)
    except OptionError as error:
        raise OptionError(
            f"quba-check fleet: MODELS.txt: {error} Allowed: a text file with a model spec in each line."
        ) from None


def _words(line: str, where: str) -> list[str]:
    """Return the words of a line without its comment."""
    for end in (*(comment.start() for comment in _COMMENT.finditer(line)), len(line)):
        with suppress(ValueError):  # a quotation mark before this place is open
            return shlex.split(line[:end])
    raise OptionError(
        f"{where}: a quotation mark is not closed, got '{line.strip()}'. "
        "Allowed: a model spec, in quotation marks if it has blanks."
    )


def _options(words: Sequence[str], where: str) -> dict[str, str]:
    """Return the options of a line by name."""
    options: dict[str, str] = {}
    allowed = ", ".join(f"{name}=VALUE" for name in MODEL_OPTIONS)
    for word in words:
        name, _, value = word.partition("=")
        if name not in MODEL_OPTIONS or not value:
            near = did_you_mean(name, MODEL_OPTIONS)
            raise OptionError(
                f"{where}: got '{word}' after the model. Allowed: {allowed}.{near} "
                "A model spec with blanks stands in quotation marks."
            )
        if name in options:
            raise OptionError(f"{where}: {name} is given twice. Allowed: once.")
        options[name] = value
    return options


def _parts(text: str) -> list[str]:
    """Return the parts of a name: the model's last, those of its folders before."""
    prefix = next((prefix for prefix in _PREFIXES if text.startswith(prefix)), "")
    if prefix:
        return [text.removeprefix(prefix)]
    *folders, last = PurePath(text).parts or (text,)
    suffix = next((end for end in _SUFFIXES if last.lower().endswith(end)), "")
    return [*folders, last[: len(last) - len(suffix)]]


def _joined(parts: Sequence[str]) -> str:
    name = "-".join(part for part in (_AWKWARD.sub("-", part).strip("-.") for part in parts) if part)
    return name[-LONGEST_NAME:] or "model"

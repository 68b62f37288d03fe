"""Options of a gate run and their checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from quba_check.core.protocols import PROTOCOLS, ProtocolName
from quba_check.errors import OptionError, did_you_mean, listed
from quba_check.models.request import DEVICES, PRECISIONS, check_compile, check_device, check_precision
from quba_check.storage.user_files import user_path, user_place

MOST_WORKERS = 256
MOST_PICTURES = 1_000
MOST_GIGABYTES = 1_000_000
MOST_DIGITS = 15
LARGEST_NUMBER = 10**MOST_DIGITS - 1


class Given(NamedTuple):
    """A value as given.

    Attributes:
        flag: the option.
        value: its value, None if not given.
        base: folder of relative paths.
    """

    flag: str
    value: Any
    base: Path


Parse = Callable[[Given], Any]
"""Checks a value and returns that of the field in `Options`, None for the default. Raises OptionError."""


def _text(given: Given) -> str | None:
    return given.value or None


def _texts(given: Given) -> tuple[str, ...]:
    return tuple(given.value or ())


def _switch(given: Given) -> bool:
    return bool(given.value)


def _path(given: Given) -> Path | None:
    return user_path(given.value, given.flag, given.base) if given.value else None


def _place(given: Given) -> str | Path | None:
    """Accept a folder or a URL."""
    return user_place(given.value, given.flag, given.base) if given.value else None


def _file_ending_in(suffix: str) -> Parse:
    """Accept the paths of files with a suffix."""

    def parse(given: Given) -> Path | None:
        path = _path(given)
        if path is not None and path.suffix != suffix:
            raise OptionError(f"{given.flag}: got '{path.name}'. Allowed: a file name that ends in {suffix}.")
        return path

    return parse


def _protocol(given: Given) -> str | None:
    value = given.value
    if value and value not in PROTOCOLS:
        near = did_you_mean(value, PROTOCOLS)
        raise OptionError(f"{given.flag}: unknown protocol '{value}'. Allowed: {listed(PROTOCOLS)}.{near}")
    return value or None


def _device(given: Given) -> str | None:
    return check_device(given.value) if given.value else None


def _compile(given: Given) -> str | None:
    return check_compile(given.value) if given.value else None


def _precision(given: Given) -> str | None:
    return check_precision(given.value) if given.value else None


def _gigabytes(given: Given) -> float | None:
    """Accept a size in gigabytes."""
    if given.value in (None, ""):
        return None
    text = str(given.value)
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 <= size <= MOST_GIGABYTES:
        raise OptionError(
            f"{given.flag}: got '{text}'. Allowed: gigabytes from 0 (keep none) to {MOST_GIGABYTES:,}."
        )
    return size


def _whole_number(least: int, most: int = LARGEST_NUMBER, *, auto: bool = False) -> Parse:
    """Accept the whole numbers within bounds; `auto` means the default, if accepted."""

    def parse(given: Given) -> int | None:
        if given.value in (None, "") or (auto and given.value == "auto"):
            return None
        text = str(given.value)
        is_too_large = text.isdecimal() and (len(text) > MOST_DIGITS or int(text) > most)
        if is_too_large or not text.isdecimal() or int(text) < least:
            words = f"{'auto, or ' if auto else ''}a whole number from {least}"
            end = f" to {most:,}" if is_too_large else ""
            raise OptionError(f"{given.flag}: got '{text}'. Allowed: {words}{end}.")
        return int(text)

    return parse


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the command line, and the ini value of the same name.

    Attributes:
        flag: the option, such as `--quba-seed`.
        metavar: placeholder of its value in the help; None for a switch.
        help: one line.
        parse: checks a value.
        repeatable: True if it may be given several times.
        has_ini: True if `quba_…` in an ini file sets it too.
        alias: older name of the flag, still accepted.
    """

    flag: str
    metavar: str | None
    help: str
    parse: Parse = _text
    repeatable: bool = False
    has_ini: bool = True
    alias: str | None = None

    @property
    def key(self) -> str:
        """Name in Python and in ini files, for example `quba_batch_size`."""
        return _key(self.flag)

    @property
    def alias_keys(self) -> tuple[str, ...]:
        """Older name in ini files, if there is one."""
        return () if self.alias is None else (_key(self.alias),)

    @property
    def field(self) -> str:
        """Name of the field in `Options`."""
        return "models" if self.key == "model" else self.key.removeprefix("quba_")


def _key(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


OPTIONS = (
    Option(
        "--model",
        "SPEC",
        "model to judge: demo, demo-textured, a checkpoint (.pt .pth .ckpt .bin .safetensors), TorchScript, "
        "an exported program (.pt2), .onnx, a folder with config.json, timm:NAME, hf-hub:OWNER/NAME, "
        "open_clip:NAME/TAG, package.module:callable (repeatable)",
        _texts,
        repeatable=True,
        has_ini=False,
    ),
    Option(
        "--quba-thresholds",
        "FILE",
        "threshold file or shipped profile (default, mobile, safety-critical, server; repeatable)",
        _texts,
        repeatable=True,
    ),
    Option(
        "--quba-data", "DIR", "data folder, or its URL such as s3://bucket/folder (else $QUBA_DATA)", _place
    ),
    Option(
        "--quba-mirror-gb",
        "N",
        "gigabytes of a remote data folder to keep on this machine (default: 100)",
        _gigabytes,
    ),
    Option("--quba-arch", "NAME", "timm architecture of a checkpoint"),
    Option(
        "--quba-preprocessing",
        "FILE.yaml",
        "preprocessing and outputs, in place of what the model states",
        _path,
        alias="--quba-preparation",
    ),
    Option("--quba-protocol", "NAME", "standard or released, for threshold files that state none", _protocol),
    Option("--quba-device", "NAME", f"{', '.join(DEVICES)} (auto: the best available)", _device),
    Option(
        "--quba-precision",
        "NAME",
        f"{', '.join(PRECISIONS)} (auto: the fastest that keeps the answers)",
        _precision,
    ),
    Option(
        "--quba-compile",
        "WHEN",
        "torch.compile the model: auto (if it saves time), on, off",
        _compile,
    ),
    Option(
        "--quba-exact-preprocessing",
        None,
        "prepare images with Pillow and timm's transform as they are, in place of faster code that differs "
        "by at most 2 of 255 levels",
        _switch,
        has_ini=False,
    ),
    Option(
        "--quba-batch-size", "N", "images per forward pass, or auto (default)", _whole_number(1, auto=True)
    ),
    Option(
        "--quba-workers",
        "N",
        "threads per process that read images (default: half the cores, at most 4)",
        _whole_number(0, MOST_WORKERS),
    ),
    Option(
        "--quba-seed",
        "N",
        "seed of random starts, corruptions and the sample of --quba-limit (default: 0)",
        _whole_number(0),
    ),
    Option(
        "--quba-early-stop",
        None,
        "stop a set early, once the verdict is known",
        _switch,
        has_ini=False,
    ),
    Option(
        "--quba-limit",
        "N",
        "read at most N images of each set: a stratified sample, the same for every model",
        _whole_number(1),
    ),
    Option(
        "--quba-store", "DIR", "folder of stored predictions (else $QUBA_STORE, else the user's cache)", _path
    ),
    Option(
        "--quba-cache-gb",
        "N",
        "gigabytes of prepared images to keep in the store for later passes and models (default: 8; 0: none)",
        _gigabytes,
    ),
    Option(
        "--quba-plan",
        None,
        "show what a run would predict and how long it takes; run nothing",
        _switch,
        has_ini=False,
    ),
    Option("--quba-baseline", "FILE.json", "record that max_drop and max_relative_drop compare with", _path),
    Option("--quba-report", "FILE.json", "also write the record here", _file_ending_in(".json")),
    Option(
        "--quba-html",
        "FILE.html",
        "also write a page on the run here: one HTML file",
        _file_ending_in(".html"),
    ),
    Option(
        "--quba-markdown",
        "FILE.md",
        "also write a summary here, for pull requests and CI pages",
        _file_ending_in(".md"),
    ),
    Option(
        "--quba-pictures",
        "N",
        "show up to N images behind each failed demand on the page (default: none)",
        _whole_number(1, MOST_PICTURES),
    ),
    Option(
        "--quba-trust-pickle",
        None,
        "allow model files to run code when they are read, and programs to access files; only for files "
        "you trust",
        _switch,
        has_ini=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of a run. Paths are absolute.

    Attributes:
        data: path or URL of the data folder.
        data_is_default: True if the data folder is that of the environment or an ini file. Demo models, which
            bring their own images, ignore a default one.
    """

    models: tuple[str, ...]
    thresholds: tuple[str, ...] = ()
    data: str | Path | None = None
    data_is_default: bool = False
    mirror_gb: float = 100.0
    arch: str | None = None
    preprocessing: Path | None = None
    protocol: ProtocolName | None = None
    device: str = "auto"
    precision: str = "auto"
    compile: str = "auto"
    exact_preprocessing: bool = False
    batch_size: int | None = None
    workers: int | None = None
    seed: int = 0
    limit: int | None = None
    early_stop: bool = False
    store: Path | None = None
    cache_gb: float = 8.0
    plan: bool = False
    report: Path | None = None
    html: Path | None = None
    pictures: int | None = None
    markdown: Path | None = None
    baseline: Path | None = None
    trust_pickle: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, Any], base: Path, defaults: Collection[str] = ()) -> Options:
        """Check given values.

        Args:
            given: by option key (see `Option.key`); missing or None if not given.
            base: folder of relative paths.
            defaults: keys of values from the environment or an ini file.

        Raises:
            OptionError: a value is not allowed; the message names the option, the value and what is allowed.
        """
        checked = {
            option.field: option.parse(Given(option.flag, given.get(option.key), base)) for option in OPTIONS
        }
        values = {field: value for field, value in checked.items() if value is not None}
        if "pictures" in values and "html" not in values and "quba_pictures" not in defaults:
            raise OptionError(
                f"--quba-pictures: got {values['pictures']} without --quba-html, the page that shows them. "
                "Add --quba-html FILE.html."
            )
        return cls(**values, data_is_default="quba_data" in defaults)

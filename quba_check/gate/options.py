# ruff: noqa: RUF009  `option` returns a field
"""Options of a gate run and their checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from quba_check.core.protocols import PROTOCOLS, ProtocolName
from quba_check.errors import OptionError
from quba_check.executors.choice import FORMS, ExecutorChoice, parse_executor
from quba_check.models.choices import DEVICES, PRECISIONS, RUNTIMES, check_choice, check_device
from quba_check.models.kinds import ALLOWED
from quba_check.storage.user_files import is_url, user_location, user_path

if TYPE_CHECKING:
    from quba_check.models.request import LoadRequest

MOST_READING_THREADS = 256
MOST_GIGABYTES = 1_000_000
MOST_PICTURES = 1_000
MOST_DIGITS = 15
LARGEST_NUMBER = 10**MOST_DIGITS - 1
SHORT_FLAG = "--model"
"""Short name of `--quba-model`, unless the project has an option of that name."""
OF_LOADING = "arch", "device", "precision", "runtime", "exact_preprocessing", "model_version", "trust_pickle"
"""Fields that are settings for loading a model."""


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


def unchecked(given: Given) -> Any:
    """Return a value as given; None for empty text or a switch that is off."""
    return given.value or None


def parse_switch(given: Given) -> bool | None:
    """Accept True and False."""
    if not isinstance(given.value, bool | None):
        raise OptionError(where=given.flag, got=f"{given.value!r}", allowed="True or False")
    return given.value or None


def parse_path(given: Given) -> Path | None:
    """Accept a path; a relative one starts at the base folder."""
    if given.value and is_url(given.value):
        raise OptionError(where=given.flag, got=f"the URL '{given.value}'", allowed="a path on this machine")
    return user_path(given.value, given.flag, given.base) if given.value else None


def parse_place(given: Given) -> str | Path | None:
    """Accept a folder or a URL."""
    return user_location(given.value, given.flag, given.base) if given.value else None


def file_ending_in(*suffixes: str) -> Parse:
    """Accept the paths of files, with one of the suffixes if any are given."""

    def parse(given: Given) -> Path | None:
        path = parse_path(given)
        if path is not None and (not path.name or path.is_dir()):
            kind = ", a folder" if path.is_dir() else ""
            raise OptionError(where=given.flag, got=f"'{given.value}'{kind}", allowed="a file name")
        if path is not None and suffixes and not path.name.endswith(suffixes):
            raise OptionError(
                where=given.flag,
                got=f"'{path.name}'",
                allowed=f"a file name that ends in {' or '.join(suffixes)}",
            )
        return path

    return parse


BY_METAVAR: Mapping[str | None, Parse] = {
    None: parse_switch,
    "DIR": parse_place,
    "FILE.json": parse_path,
    "FILE.yaml": parse_path,
    "FILE.html": file_ending_in(".html"),
    "FILE.md": file_ending_in(".md"),
}
"""Checks of paths by the placeholder in the help; options with another one check their values themselves."""


def one_of(*names: str) -> Parse:
    """Accept one of several names."""
    return lambda given: check_choice(given.flag, given.value, names) if given.value else None


def checked_by(check: Callable[[str], object]) -> Parse:
    """Accept the texts that a function accepts, which raises OptionError for others."""
    return lambda given: given.value if given.value and check(given.value) else None


def number_within(low: int, high: int, words: str = "a number") -> Parse:
    """Accept the numbers within bounds."""

    def parse(given: Given) -> float | None:
        if given.value in (None, ""):
            return None
        try:
            number = float(given.value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise OptionError(
                where=given.flag, got=f"'{given.value}'", allowed=f"{words} from {low:,} to {high:,}"
            )
        return number

    return parse


def whole_number(least: int, most: int = LARGEST_NUMBER, *, auto: bool = False) -> Parse:
    """Accept the whole numbers within bounds; `auto` means the default, if accepted."""

    def parse(given: Given) -> int | None:
        if given.value in (None, "") or (auto and given.value == "auto"):
            return None
        text = str(given.value)
        is_too_large = text.isdecimal() and (len(text) > MOST_DIGITS or int(text) > most)
        if is_too_large or not text.isdecimal() or int(text) < least:
            words = f"{'auto, or ' if auto else ''}a whole number from {least}"
            end = f" to {most:,}" if is_too_large else ""
            raise OptionError(where=given.flag, got=f"'{text}'", allowed=f"{words}{end}")
        return int(text)

    return parse


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the command line, and the ini value of the same name.

    Attributes:
        metavar: placeholder of its value in the help; None for a switch.
        help: one line.
        check: checks a value; None for the check of its metavar, see `BY_METAVAR`.
        repeatable: True if it may be given several times.
        field: name of the field in `Options`.
    """

    metavar: str | None
    help: str
    check: Parse | None = None
    repeatable: bool = False
    field: str = ""

    @property
    def parse(self) -> Parse:
        """Checks a value and returns that of the field."""
        if self.repeatable:
            return lambda given: tuple(given.value or ())
        return self.check or BY_METAVAR.get(self.metavar, unchecked)

    @property
    def has_ini(self) -> bool:
        """True if `quba_…` in an ini file sets it: not for the model or switches."""
        return self.metavar is not None and self.field != "models"

    @property
    def key(self) -> str:
        """Name in Python and in ini files, for example `quba_batch_size`."""
        return "quba_model" if self.field == "models" else f"quba_{self.field}"

    @property
    def flag(self) -> str:
        """The option, such as `--quba-seed`."""
        return f"--{self.key.replace('_', '-')}"


def option(
    metavar: str | None, text: str, check: Parse | None = None, default: Any = None, repeatable: bool = False
) -> Any:
    """Return a field with an option; see `Option`.

    By default it is None without a value, an empty tuple if it is repeatable, and False for a switch.
    """
    default = () if repeatable else False if metavar is None else default
    return field(default=default, metadata={"option": Option(metavar, text, check, repeatable)})


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run, in the order of the help.

    Each is pytest's `--quba-…` of its name. `judge` checks those that it is given. The model, the data, the
    threshold file and the record are arguments of `judge`, which refuses them here, and also what pytest
    prints and writes for people.

    Attributes:
        data_is_default: True if the data folder is that of the environment or an ini file. Demo models, which
            bring their own images, ignore a default one.

    Examples:
        >>> Options(limit=5000, device="cpu").limit
        5000
    """

    models: tuple[str, ...] = option("SPEC", f"model to judge: {ALLOWED} (repeatable)", repeatable=True)
    thresholds: tuple[str, ...] = option(
        "FILE",
        "threshold file or shipped profile (default, mobile, own-data, safety-critical, server; repeatable)",
        repeatable=True,
    )
    data: str | Path | None = option("DIR", "data folder or its URL, as s3://bucket/folder (else $QUBA_DATA)")
    arch: str | None = option("NAME", "timm architecture of a checkpoint")
    preprocessing: Path | None = option(
        "FILE.yaml", "preprocessing and outputs, in place of what the model states"
    )
    protocol: ProtocolName | None = option(
        "NAME", "standard or released, for threshold files that state none", one_of(*PROTOCOLS)
    )
    device: str | None = option(
        "NAME",
        f"{', '.join(DEVICES)}, or for ONNX a provider such as tensorrt (auto: the best available)",
        checked_by(check_device),
    )
    precision: str | None = option(
        "NAME",
        f"{', '.join(PRECISIONS)} (auto: fp32, and half precision on GPUs if it keeps the answers)",
        one_of(*PRECISIONS),
    )
    runtime: str | None = option(
        "NAME",
        "torch (default), openvino on CPUs (if it gives the answers of torch), or compile for torch.compile",
        one_of(*RUNTIMES),
    )
    exact_preprocessing: bool = option(
        None,
        "prepare every image with Pillow, as timm's transform does, in place of faster code that differs "
        "by at most 2 of 255 levels",
    )
    batch_size: int | None = option(
        "N", "images per forward pass, or auto (default)", whole_number(1, auto=True)
    )
    threads: int | None = option(
        "N",
        "threads per process that read images (default: one per core that it may use, at most 16; with the "
        "model on the CPU at most 4; the processes of -n share the cores)",
        whole_number(0, MOST_READING_THREADS),
    )
    seed: int = option(
        "N",
        "seed of random starts, corruptions and the sample of --quba-limit (default: 0)",
        whole_number(0),
        0,
    )
    limit: int | None = option(
        "N",
        "read at most N images of each set, the same for every model: a sample stratified by class, of a set "
        "with groups random whole groups",
        whole_number(1),
    )
    store: str | Path | None = option(
        "DIR",
        "stored predictions: folder or URL, as s3://bucket/folder (else $QUBA_STORE, else the user's cache)",
    )
    cache_gb: float = option(
        "N",
        "gigabytes of prepared images to keep in the store for later passes and models (default: 8; 0: none)",
        number_within(0, MOST_GIGABYTES, "gigabytes"),
        8.0,
    )
    fresh: bool = option(
        None, "predict everything again, and compare with the stored predictions, which are replaced"
    )
    executor: str | None = option(
        "NAME",
        f"who predicts: {', '.join(FORMS)} (default: inline, the processes of this run)",
        checked_by(parse_executor),
    )
    classes: bool = option(
        None, "show recall, precision and F1 of each class: of up to 30, else of those with the lowest recall"
    )
    model_version: str | None = option(
        "TEXT", "identifies the model behind an endpoint, whose bytes cannot be hashed"
    )
    plan: bool = option(None, "show what a run would predict; run nothing")
    baseline: Path | None = option(
        "FILE.json",
        "record that max_drop and max_relative_drop compare with (else 'baseline' of the threshold file)",
    )
    first_release: bool = option(None, "skip demands on drops and parity, as there is no baseline yet")
    no_looser: bool = option(
        None, "refuse demands that are looser than those of the baseline, and other images"
    )
    reference: str | None = option("SPEC", "model that parity and, without a baseline, drops compare with")
    record: Path | None = option("FILE.json", "also write the record here", file_ending_in(".json"))
    html: Path | None = option("FILE.html", "also write a page on the run here: one HTML file")
    markdown: Path | None = option("FILE.md", "also write a summary here, for pull requests and CI pages")
    pictures: int | None = option(
        "N",
        "show up to N images behind each failed demand on the page (default: none)",
        whole_number(1, MOST_PICTURES),
    )
    trust_pickle: bool = option(
        None,
        "allow model files to run code when they are read, and programs to access files; only for files "
        "you trust",
    )
    data_is_default: bool = False

    @property
    def request(self) -> LoadRequest:
        """The settings for loading the models."""
        from quba_check.models.request import LoadRequest

        given = {name: getattr(self, name) for name in OF_LOADING}
        return LoadRequest(**{name: value for name, value in given.items() if value is not None})

    @property
    def executor_choice(self) -> ExecutorChoice | None:
        """The executor; None for this process."""
        return None if self.executor is None else parse_executor(self.executor)

    @property
    def store_location(self) -> str | Path:
        """Folder or URL of the prediction store."""
        from quba_check.storage.locations import default_location

        return self.store or default_location()

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
            declared_option.field: declared_option.parse(
                Given(declared_option.flag, given.get(declared_option.key), base)
            )
            for declared_option in OPTIONS
        }
        values = {name: value for name, value in checked.items() if value is not None}
        if "pictures" in values and "html" not in values and "quba_pictures" not in defaults:
            raise OptionError(
                f"got {values['pictures']} without --quba-html, the page that shows them. "
                "Add --quba-html FILE.html.",
                where="--quba-pictures",
            )
        return cls(**values, data_is_default="quba_data" in defaults)


OPTIONS = tuple(
    replace(option_field.metadata["option"], field=option_field.name)
    for option_field in fields(Options)
    if option_field.metadata
)
"""The options in the order of the help."""

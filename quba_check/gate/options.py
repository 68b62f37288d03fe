"""Options of a gate run and their checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from quba_check.core.protocols import ProtocolName
from quba_check.errors import OptionError
from quba_check.executors.choice import FORMS, INLINE, ExecutorChoice
from quba_check.gate.option_values import (
    BY_METAVAR,
    Given,
    Parse,
    file_ending_in,
    parse_compile,
    parse_device,
    parse_executor_choice,
    parse_gigabytes,
    parse_precision,
    parse_protocol,
    parse_texts,
    unchecked,
    whole_number,
)
from quba_check.models.request import DEVICES, PRECISIONS, LoadRequest

MOST_WORKERS = 256
MOST_PICTURES = 1_000


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the command line, and the ini value of the same name.

    Attributes:
        flag: the option, such as `--quba-seed`.
        metavar: placeholder of its value in the help; None for a switch.
        help: one line.
        check: checks a value; None for the check of its metavar, see `BY_METAVAR`.
        repeatable: True if it may be given several times.
    """

    flag: str
    metavar: str | None
    help: str
    check: Parse | None = None
    repeatable: bool = False

    @property
    def parse(self) -> Parse:
        """Checks a value and returns that of the field."""
        return self.check or (parse_texts if self.repeatable else BY_METAVAR.get(self.metavar, unchecked))

    @property
    def has_ini(self) -> bool:
        """True if `quba_…` in an ini file sets it: not for the model or switches."""
        return self.metavar is not None and self.key != "model"

    @property
    def key(self) -> str:
        """Name in Python and in ini files, for example `quba_batch_size`."""
        return self.flag.lstrip("-").replace("-", "_")

    @property
    def field(self) -> str:
        """Name of the field in `Options`."""
        return "models" if self.key == "model" else self.key.removeprefix("quba_")


OPTIONS = (
    Option(
        "--model",
        "SPEC",
        "model to judge: demo, demo-textured, a checkpoint (.pt .pth .ckpt .bin .safetensors), TorchScript, "
        "an exported program (.pt2), .onnx, .tflite, OpenVINO (.xml), a folder with config.json, timm:NAME, "
        "hf-hub:OWNER/NAME, open_clip:NAME/TAG, package.module:callable (repeatable)",
        repeatable=True,
    ),
    Option(
        "--quba-thresholds",
        "FILE",
        "threshold file or shipped profile (default, mobile, own-data, safety-critical, server; repeatable)",
        repeatable=True,
    ),
    Option("--quba-data", "DIR", "data folder or its URL, as s3://bucket/folder (else $QUBA_DATA)"),
    Option("--quba-arch", "NAME", "timm architecture of a checkpoint"),
    Option(
        "--quba-preprocessing", "FILE.yaml", "preprocessing and outputs, in place of what the model states"
    ),
    Option(
        "--quba-protocol", "NAME", "standard or released, for threshold files that state none", parse_protocol
    ),
    Option(
        "--quba-device",
        "NAME",
        f"{', '.join(DEVICES)}, or for ONNX a provider such as tensorrt (auto: the best available)",
        parse_device,
    ),
    Option(
        "--quba-precision",
        "NAME",
        f"{', '.join(PRECISIONS)} (auto: fp32, and half precision on GPUs if it keeps the answers)",
        parse_precision,
    ),
    Option("--quba-compile", "WHEN", "torch.compile the model: on, off (default)", parse_compile),
    Option(
        "--quba-exact-preprocessing",
        None,
        "prepare every image with Pillow, as timm's transform does, in place of faster code that differs "
        "by at most 2 of 255 levels",
    ),
    Option(
        "--quba-batch-size", "N", "images per forward pass, or auto (default)", whole_number(1, auto=True)
    ),
    Option(
        "--quba-workers",
        "N",
        "threads per process that read images (default: one per core that it may use, at most 16; with the "
        "model on the CPU half as many, at most 4; the processes of -n share the cores)",
        whole_number(0, MOST_WORKERS),
    ),
    Option(
        "--quba-seed",
        "N",
        "seed of random starts, corruptions and the sample of --quba-limit (default: 0)",
        whole_number(0),
    ),
    Option(
        "--quba-limit",
        "N",
        "read at most N images of each set: a stratified sample, the same for every model",
        whole_number(1),
    ),
    Option(
        "--quba-store",
        "DIR",
        "stored predictions: folder or URL, as s3://bucket/folder (else $QUBA_STORE, else the user's cache)",
    ),
    Option(
        "--quba-cache-gb",
        "N",
        "gigabytes of prepared images to keep in the store for later passes and models (default: 8; 0: none)",
        parse_gigabytes,
    ),
    Option(
        "--quba-executor",
        "NAME",
        f"who predicts: {', '.join(FORMS)} (default: inline, the processes of this run)",
        parse_executor_choice,
    ),
    Option(
        "--quba-executor-settings", "FILE.yaml", "number, resources and environment of an executor's workers"
    ),
    Option(
        "--quba-classes",
        None,
        "show recall, precision and F1 of each class: of up to 30, else of those with the lowest recall",
    ),
    Option(
        "--quba-model-version",
        "TEXT",
        "identifies the model behind an endpoint, whose bytes cannot be hashed",
    ),
    Option("--quba-plan", None, "show what a run would predict; run nothing"),
    Option(
        "--quba-baseline",
        "FILE.json",
        "record that max_drop and max_relative_drop compare with (else 'baseline' of the threshold file)",
    ),
    Option("--quba-first-release", None, "skip demands on drops and parity, as there is no baseline yet"),
    Option(
        "--quba-no-looser",
        None,
        "refuse demands that are looser than those of the baseline, and other images",
    ),
    Option("--quba-reference", "SPEC", "model that parity and, without a baseline, drops compare with"),
    Option("--quba-report", "FILE.json", "also write the record here", file_ending_in(".json")),
    Option("--quba-html", "FILE.html", "also write a page on the run here: one HTML file"),
    Option("--quba-markdown", "FILE.md", "also write a summary here, for pull requests and CI pages"),
    Option(
        "--quba-pictures",
        "N",
        "show up to N images behind each failed demand on the page (default: none)",
        whole_number(1, MOST_PICTURES),
    ),
    Option(
        "--quba-trust-pickle",
        None,
        "allow model files to run code when they are read, and programs to access files; only for files "
        "you trust",
    ),
)

NEEDED = {
    "pictures": ("html", "the page that shows them", "--quba-html FILE.html"),
    "executor_settings": ("executor", "which reads it", "--quba-executor=ray"),
}
"""By the field of an option: the option that it needs, that option's role, and how to add it."""


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of a run. Paths are absolute.

    Attributes:
        data: path or URL of the data folder.
        data_is_default: True if the data folder is that of the environment or an ini file. Demo models, which
            bring their own images, ignore a default one.
        request: the options for loading the models.
    """

    models: tuple[str, ...]
    thresholds: tuple[str, ...] = ()
    data: str | Path | None = None
    data_is_default: bool = False
    preprocessing: Path | None = None
    protocol: ProtocolName | None = None
    request: LoadRequest = LoadRequest()  # noqa: RUF009  frozen
    batch_size: int | None = None
    workers: int | None = None
    seed: int = 0
    limit: int | None = None
    classes: bool = False
    store: str | Path | None = None
    cache_gb: float = 8.0
    executor: ExecutorChoice = INLINE
    executor_settings: Path | None = None
    plan: bool = False
    report: Path | None = None
    html: Path | None = None
    pictures: int | None = None
    markdown: Path | None = None
    baseline: Path | None = None
    first_release: bool = False
    no_looser: bool = False
    reference: str | None = None

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
            option.field: option.parse(Given(option.flag, given.get(option.key), base)) for option in OPTIONS
        }
        values = {field: value for field, value in checked.items() if value is not None}
        for field, (other, role, words) in NEEDED.items():
            if field in values and values.get(other, INLINE) == INLINE and f"quba_{field}" not in defaults:
                flag = f"--quba-{field.replace('_', '-')}"
                raise OptionError(
                    f"got {given[f'quba_{field}']} without --quba-{other}, {role}. Add {words}.", where=flag
                )
        own = {field.name for field in fields(cls)}
        request = LoadRequest(**{field: value for field, value in values.items() if field not in own})
        values = {field: value for field, value in values.items() if field in own}
        return cls(**values, request=request, data_is_default="quba_data" in defaults)

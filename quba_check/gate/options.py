"""What a run was asked for: options and ini values, checked once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quba_check.core.protocols import PROTOCOLS, ProtocolName
from quba_check.errors import OptionError, did_you_mean, listed
from quba_check.models.request import DEVICES, PRECISIONS, check_device, check_precision
from quba_check.storage.user_files import user_path

MOST_WORKERS = 256
MOST_DIGITS = 15
LARGEST_NUMBER = 10**MOST_DIGITS - 1


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the command line, with the ini value of the same name where it has one.

    Attributes:
        flag: as typed.
        metavar: what stands for its value in the help; None for a switch.
        help: one line.
        repeatable: may be given several times.
        has_ini: True if `quba_…` in an ini file sets it too.
        alias: older name of the flag, still accepted.
    """

    flag: str
    metavar: str | None
    help: str
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


def _key(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


OPTIONS = (
    Option(
        "--model",
        "SPEC",
        "model to judge: demo, demo-textured, a checkpoint (.pt .pth .ckpt .bin .safetensors), TorchScript, "
        "an exported program (.pt2), .onnx, a folder with config.json, timm:NAME, hf-hub:OWNER/NAME, "
        "open_clip:NAME/TAG, package.module:callable (repeatable)",
        repeatable=True,
        has_ini=False,
    ),
    Option(
        "--quba-thresholds",
        "FILE",
        "threshold file or shipped profile (default, mobile, safety-critical, server; repeatable)",
        repeatable=True,
    ),
    Option("--quba-data", "DIR", "data folder (else $QUBA_DATA)"),
    Option("--quba-arch", "NAME", "timm architecture of a checkpoint"),
    Option(
        "--quba-preprocessing",
        "FILE.yaml",
        "preprocessing and kind of outputs, instead of what the model states",
        alias="--quba-preparation",
    ),
    Option("--quba-protocol", "NAME", "standard or released, for threshold files that state none"),
    Option("--quba-device", "NAME", f"{', '.join(DEVICES)} (auto: the best there is)"),
    Option("--quba-precision", "NAME", f"{', '.join(PRECISIONS)} (auto: fp32)"),
    Option("--quba-batch-size", "N", "images of a forward pass, or auto"),
    Option(
        "--quba-workers", "N", "threads of a process that read images (default: half the cores, at most 4)"
    ),
    Option("--quba-seed", "N", "seed of all that is drawn: random starts, corruptions, limits (default 0)"),
    Option(
        "--quba-early-stop",
        None,
        "leave a set of images as soon as it is known whether the whole would pass",
        has_ini=False,
    ),
    Option("--quba-limit", "N", "look at N images of a set at most: the same for every model, by class"),
    Option("--quba-store", "DIR", "folder that keeps predictions (else $QUBA_STORE, else the user's cache)"),
    Option("--quba-baseline", "FILE.json", "record that max_drop and max_relative_drop compare with"),
    Option("--quba-report", "FILE.json", "write the record of the run here too"),
    Option(
        "--quba-trust-pickle",
        None,
        "let a model file run code when it is read, and a program reach files; only for files you trust",
        has_ini=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run, checked. Paths are absolute.

    Attributes:
        data_is_default: the data folder is that of the environment or an ini file, which models that bring
            their own images pass over; nobody named it for this run.
    """

    models: tuple[str, ...]
    thresholds: tuple[str, ...] = ()
    data: Path | None = None
    data_is_default: bool = False
    arch: str | None = None
    preprocessing: Path | None = None
    protocol: ProtocolName | None = None
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    seed: int = 0
    limit: int | None = None
    early_stop: bool = False
    store: Path | None = None
    report: Path | None = None
    baseline: Path | None = None
    trust_pickle: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, Any], base: Path, defaults: Collection[str] = ()) -> Options:
        """Check what was given.

        Args:
            given: by option key (see `Option.key`); absent or None where not given.
            base: folder to which relative paths are relative.
            defaults: keys of what is given by the environment or an ini file, not on the command line.

        Raises:
            OptionError: a value is not allowed; names the option, the value and what is allowed.
        """

        def path(key: str) -> Path | None:
            flag = f"--{key.replace('_', '-')}"
            return user_path(given[key], flag, base) if given.get(key) else None

        report = path("quba_report")
        if report is not None and report.suffix != ".json":
            raise OptionError(f"--quba-report: got '{report.name}'. Allowed: a file name that ends in .json.")
        return cls(
            models=tuple(given.get("model") or ()),
            thresholds=tuple(given.get("quba_thresholds") or ()),
            data=path("quba_data"),
            data_is_default="quba_data" in defaults,
            arch=given.get("quba_arch") or None,
            preprocessing=path("quba_preprocessing"),
            protocol=_one_of("--quba-protocol", given.get("quba_protocol"), PROTOCOLS, None),
            device=check_device(given.get("quba_device") or "auto"),
            precision=check_precision(given.get("quba_precision") or "auto"),
            batch_size=_whole("--quba-batch-size", given.get("quba_batch_size"), 1, None, auto=True),
            workers=_whole("--quba-workers", given.get("quba_workers"), 0, None, most=MOST_WORKERS),
            seed=_whole("--quba-seed", given.get("quba_seed"), 0, 0) or 0,
            early_stop=bool(given.get("quba_early_stop")),
            limit=_whole("--quba-limit", given.get("quba_limit"), 1, None),
            store=path("quba_store"),
            report=report,
            baseline=path("quba_baseline"),
            trust_pickle=bool(given.get("quba_trust_pickle")),
        )


def _one_of(flag: str, got: Any, allowed: Sequence[str], default: Any) -> Any:
    if not got:
        return default
    if got not in allowed:
        raise OptionError(f"{flag}: unknown '{got}'. Allowed: {listed(allowed)}.{did_you_mean(got, allowed)}")
    return got


def _whole(
    flag: str,
    got: Any,
    least: int,
    default: int | None,
    *,
    most: int = LARGEST_NUMBER,
    auto: bool = False,
) -> int | None:
    if got is None or got == "" or (auto and got == "auto"):
        return default
    text = str(got)
    is_too_large = text.isdecimal() and (len(text) > MOST_DIGITS or int(text) > most)
    if is_too_large or not text.isdecimal() or int(text) < least:
        words = f"{'auto, or ' if auto else ''}a whole number from {least}"
        raise OptionError(f"{flag}: got '{text}'. Allowed: {words}{f' to {most:,}' if is_too_large else ''}.")
    return int(text)

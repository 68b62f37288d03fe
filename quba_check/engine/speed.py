"""Measured speed of a model on a device, kept in the store for later runs."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.engine.timing import Timing
from quba_check.storage.atomic import write_atomically
from quba_check.storage.json_text import parse_json
from quba_check.storage.store import content_hash

if TYPE_CHECKING:
    import torch

FOLDER = "speeds"


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of a model on a device in earlier runs.

    Attributes:
        timings: by kind of work; with several processes, their share of it.
        peak_memory: largest memory of a process in bytes; 0 if unknown.
        device_memory: largest memory that the model took on a GPU, in bytes; 0 if unknown.
    """

    timings: Mapping[str, Timing] = field(default_factory=dict)
    peak_memory: int = 0
    device_memory: int = 0


def speed_key(fingerprint: str, device: torch.device, precision: str) -> str:
    """Return the name of the speed of a model on this machine."""
    if device.type == "cuda":
        import torch

        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = f"{device.type} {platform.machine()} {os.cpu_count()}"
    return content_hash([fingerprint, hardware, precision])


def read_speed(store: Path, key: str) -> Speed | None:
    """Return a stored speed, None if there is none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        content = parse_json((store / FOLDER / f"{key}.json").read_text(encoding="utf-8"))
        timings = {str(kind): Timing(*map(float, values)) for kind, values in content["timings"].items()}
        return Speed(timings, int(content["peak_memory"]), int(content["device_memory"]))
    return None


def write_speed(store: Path, key: str, speed: Speed) -> None:
    """Add the speed of a run to the stored one, whose timings count half.

    A store that cannot be written is no error: only later estimates miss it.
    """
    earlier = read_speed(store, key) or Speed()
    timings = {kind: timing.times(0.5) for kind, timing in earlier.timings.items()}
    for kind, timing in speed.timings.items():
        timings[kind] = timings.get(kind, Timing()).plus(timing)
    merged = Speed(
        timings,
        speed.peak_memory or earlier.peak_memory,
        speed.device_memory or earlier.device_memory,
    )
    with suppress(OSError):
        (store / FOLDER).mkdir(parents=True, exist_ok=True)
        write_atomically(store / FOLDER / f"{key}.json", json.dumps(asdict(merged), indent=1).encode())


def memory_peaks() -> tuple[int, int]:
    """Return the largest memory of process and GPU in bytes, 0 if unknown."""
    torch = sys.modules.get("torch")
    has_gpu = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    on_device = int(torch.cuda.max_memory_allocated()) if torch is not None and has_gpu else 0
    try:
        import resource
    except ImportError:  # Windows
        return 0, on_device
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024), on_device

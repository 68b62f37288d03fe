"""The machine: its description, and what its hardware could do at most."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image, features
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.material import PHOTO_SIZE, QUALITY, photo, random_model
from benchmarks.measuring import THREADS, cpu_of
from benchmarks.row import Row
from benchmarks.work import MOBILENET, RESNET, Work

PHOTOS = 64
COPIED_BYTES = 2**28
SIDE = 1536
"""Side of the matrices that measure the largest rate of multiplications."""
REPETITIONS = 5


def description() -> list[str]:
    """Return lines on hardware and software."""
    libraries = ("torch", "torchvision", "timm", "pillow", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    decoder = features.version_feature("libjpeg_turbo")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    hardware = f"{cpu_name()}, {os.cpu_count()} cores, {memory:.0f} GB"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return [
        f"{hardware}, {platform.system()} {platform.machine()}, load {os.getloadavg()[0]:.1f} at first",
        f"Python {platform.python_version()}, {versions}, libjpeg-turbo {decoder or 'absent'} in Pillow",
        f"{torch.backends.cpu.get_cpu_capability()}, {gpu}; {THREADS} torch thread, all cores for the engine",
    ]


def cpu_name() -> str:
    """Return the name of the processor."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def rows(_work: Work) -> list[Row]:
    """Return the physical limits: decoding, copying, multiplying; and the models' distance from the last."""
    size = np.mean([len(jpeg) for jpeg in jpegs()]) / 1e3
    what = f"one core, JPEG of {PHOTO_SIZE[0]} × {PHOTO_SIZE[1]}, quality {QUALITY}, {size:.0f} kB on average"
    peak = multiplications()
    results = [
        Row(
            "limit: decoding by libjpeg-turbo (torchvision)", f"{1e3 * decoding(by_torchvision):.2f} ms", what
        ),
        Row("limit: decoding by Pillow", f"{1e3 * decoding(by_pillow):.2f} ms", what),
        Row("limit: copying memory", f"{copying() / 1e9:.1f} GB/s", f"one core, {COPIED_BYTES // 2**20} MiB"),
        Row(
            "limit: multiplying matrices", f"{peak / 1e9:.0f} GFLOP/s", f"float32, one core, {SIDE} × {SIDE}"
        ),
    ]
    for architecture in (MOBILENET, RESNET):
        flops, seconds = forward(architecture)
        rate = flops / seconds
        details = f"{flops / 1e9:.2f} GFLOP and {1e3 * seconds:.1f} ms an image, batches of 64"
        results.append(
            Row(f"limit: forward pass of {architecture}", f"{100 * rate / peak:.0f} % of that", details)
        )
    return results


@cache
def jpegs() -> tuple[bytes, ...]:
    """Return photos as JPEG bytes."""
    encoded = []
    for number in range(PHOTOS):
        file = BytesIO()
        photo(number).save(file, "JPEG", quality=QUALITY)
        encoded.append(file.getvalue())
    return tuple(encoded)


@cache
def decoding(decode: Callable[[bytes], object]) -> float:
    """Return CPU seconds to decode a photo to its full size."""

    def all_photos() -> None:
        for jpeg in jpegs():
            decode(jpeg)

    return median(cpu_of(all_photos) for _ in range(REPETITIONS)) / PHOTOS


def by_torchvision(jpeg: bytes) -> object:
    """Decode by torchvision, which calls libjpeg-turbo."""
    from torchvision.io import ImageReadMode, decode_jpeg

    return decode_jpeg(torch.frombuffer(bytearray(jpeg), dtype=torch.uint8), mode=ImageReadMode.RGB)


def by_pillow(jpeg: bytes) -> object:
    """Decode by Pillow."""
    return Image.open(BytesIO(jpeg)).convert("RGB")


@cache
def copying() -> float:
    """Return bytes per second of a copy in memory."""
    source, target = np.ones(COPIED_BYTES, np.uint8), np.zeros(COPIED_BYTES, np.uint8)
    return COPIED_BYTES / min(_seconds(lambda: np.copyto(target, source)) for _ in range(REPETITIONS))


def multiplications() -> float:
    """Return floating-point operations per second of a product of matrices, in one thread."""
    a = torch.rand(SIDE, SIDE)
    return 2 * SIDE**3 / min(_seconds(lambda: a @ a) for _ in range(REPETITIONS))


def forward(architecture: str) -> tuple[float, float]:
    """Return floating-point operations and CPU seconds of the forward pass of an image."""
    model, batch = random_model(architecture), torch.rand(64, 3, 224, 224)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            model(batch[:1])
        model(batch)
        seconds = min(cpu_of(lambda: model(batch)) for _ in range(3)) / len(batch)
    return counter.get_total_flops(), seconds


def _seconds(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin

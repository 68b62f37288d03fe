"""The machine: its description, and what its hardware could do at most."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, features
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.material import PHOTO_SIZE, QUALITY, photo, random_model
from benchmarks.measuring import THREADS, cpu_of, seconds_of
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
    """Return the least CPU seconds to decode a photo."""
    return decoding_times([decode])[0]


def decoding_times(decoders: Sequence[Callable[[bytes], object]]) -> list[float]:
    """Return the least CPU seconds to decode a photo by each of some decoders, which take turns."""

    def decode_all(decode: Callable[[bytes], object]) -> None:
        for jpeg in jpegs():
            decode(jpeg)

    rounds = [[cpu_of(partial(decode_all, decode)) for decode in decoders] for _ in range(REPETITIONS)]
    return [min(times) / PHOTOS for times in zip(*rounds, strict=True)]


def by_torchvision(jpeg: bytes) -> object:
    """Decode by torchvision, which calls libjpeg-turbo."""
    from quba_check.models.preprocessing.torchvision_decoders import decode_jpeg

    return decode_jpeg(torch.frombuffer(bytearray(jpeg), dtype=torch.uint8))


def by_pillow(jpeg: bytes) -> object:
    """Decode by Pillow."""
    return Image.open(BytesIO(jpeg)).convert("RGB")


def by_opencv(jpeg: bytes) -> object:
    """Decode by OpenCV. It accepts damaged files that Pillow rejects, so the reader does not use it."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)


def entropy_only(jpeg: bytes) -> object:
    """Decode the brightness to an eighth of its size by OpenCV.

    Nearly all of the work left is the Huffman code, which a decoder cannot skip.
    """
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)


def other_decoders() -> dict[str, Callable[[bytes], object]]:
    """Return decoders for the reader by name: those of dependencies, and of packages that are installed."""
    decoders = {"OpenCV": by_opencv, "Pillow": by_pillow}
    if find_spec("simplejpeg") is not None:
        import simplejpeg

        width, height = PHOTO_SIZE
        decoders["simplejpeg"] = lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB")
        decoders["simplejpeg, DCT scaled to 3/4"] = lambda jpeg: simplejpeg.decode_jpeg(
            jpeg, "RGB", min_height=height * 3 // 4, min_width=width * 3 // 4, min_factor=1
        )
    return decoders


@cache
def copying() -> float:
    """Return bytes per second of a copy in memory."""
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros(COPIED_BYTES, np.uint8)
    return COPIED_BYTES / min(seconds_of(lambda: np.copyto(target, source)) for _ in range(REPETITIONS))


def multiplications() -> float:
    """Return floating-point operations per second of a product of matrices, in one thread."""
    a = torch.rand(SIDE, SIDE)
    return 2 * SIDE**3 / min(seconds_of(lambda: a @ a) for _ in range(REPETITIONS))


def forward(architecture: str) -> tuple[float, float]:
    """Return floating-point operations and CPU seconds of the forward pass of an image."""
    model = random_model(architecture)
    batch = torch.rand(64, 3, 224, 224)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            model(batch[:1])
        model(batch)
        seconds = min(cpu_of(lambda: model(batch)) for _ in range(3)) / len(batch)
    return counter.get_total_flops(), seconds

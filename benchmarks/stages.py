"""Rows on the cost of each step of a run, which `benchmarks/plan_scale.py` adds up for many models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from benchmarks import reader, storage
from benchmarks.costs import COSTS, option_of
from benchmarks.material import CORRUPTED_QUALITY, prepared
from benchmarks.measuring import cpu_of, cpu_seconds, run
from benchmarks.row import Row
from benchmarks.work import MOBILENET, RESNET, Work, request
from quba_check.core.view import CLEAN, CORRUPTIONS, SEVERITIES
from quba_check.engine.batching import default_batch
from quba_check.engine.half_precision import half_precisions
from quba_check.engine.preparer import Preparer
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
from quba_check.models.loading import load_classifier
from quba_check.models.request import Precision
from quba_check.storage.store import SHARD_SIZE
from quba_check.suites.corruptions import corrupt
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

CORRUPTED_PHOTOS = 4
REPETITIONS = 3


def rows(work: Work) -> list[Row]:
    """Return a row for each cost; those of passes are of resnet18 on the CPU."""
    costs = measure(work, RESNET, "cpu")
    passes = f"{RESNET} on the CPU, one thread"
    notes = {"forward_ms": passes, "attack_ratio": passes, "shard_ms": "inline", "start_s": "demo, inline"}
    return [
        Row(
            f"cost {option_of(name)}",
            f"{value:,.3g} {COSTS[name]['unit']}",
            "; ".join([COSTS[name]["text"], *filter(None, [notes.get(name)])]),
        )
        for name, value in costs.items()
    ]


def measure(work: Work, architecture: str, device: str) -> dict[str, float]:
    """Return the costs that can be measured on this machine, by name and in the unit of `Costs`.

    Args:
        work: shared material.
        architecture: timm name of the model; its weights are random.
        device: device of the passes, as `--quba-device` takes it.
    """
    return {
        **_passes(work, architecture, device),
        **_reading(work),
        **_small_files(work),
        **_storing(work),
        "digest_us": storage.digest_microseconds(work)[1],
        "start_s": _start(work),
    }


def _reading(work: Work) -> dict[str, float]:
    """Return the costs of photos of 500 × 375, and of prepared images that the store keeps."""
    cold, kept = reader.our_reading(work, exact=False)
    sizes = [path.stat().st_size for path in work.photos.root.rglob("*.jpg")]
    costs = {"file_ms": 1e3 * median(cold), "file_kb": 1e-3 * float(np.mean(sizes))}
    return costs if kept is None else costs | {"kept_ms": 1e3 * median(kept)}


def _small_files(work: Work) -> dict[str, float]:
    """Return the costs of generating corruptions, and of reading them from JPEG files of 224 × 224."""
    spent, suite = _write_corrupted(work.new_folder())
    examples = suite.examples(CLEAN)
    prepare = Preparer(suite, work.classifier(MOBILENET, suite, exact=False), 0).of(CLEAN, crop=False)

    def read() -> None:
        for example in examples:
            prepare(example)

    read()
    sizes = [path.stat().st_size for path in suite.root.rglob("*.jpg")]
    return {
        "prepared_ms": 1e3 * min(cpu_of(read) for _ in range(REPETITIONS)) / len(examples),
        "prepared_kb": 1e-3 * float(np.mean(sizes)),
        "generated_ms": 1e3 * spent / len(examples),
    }


def _write_corrupted(folder: Path) -> tuple[float, Suite]:
    """Write photos under all 75 corruptions; return the CPU seconds of corrupting them, and their suite."""
    target = folder / "val" / "n01440764"
    target.mkdir(parents=True)
    spent = 0.0
    for name, pixels, corruption, severity in _conditions():
        begin = cpu_seconds()
        corrupted = corrupt(pixels, corruption, severity, np.random.default_rng(0))
        spent += cpu_seconds() - begin
        Image.fromarray(corrupted).save(target / name, quality=CORRUPTED_QUALITY)
    manifest = (
        "schema: 1\nname: corrupted\nclasses: imagenet\nsets:\n"
        "  clean: {reader: folder, path: val, partial: true, prepared: true}\n"
    )
    (folder / "quba-data.yaml").write_text(manifest, encoding="utf-8")
    return spent, open_suite(folder)


def _conditions() -> Iterator[tuple[str, np.ndarray, str, int]]:
    """Yield file name, pixels (224, 224, 3) uint8, corruption and severity."""
    for number in range(CORRUPTED_PHOTOS):
        pixels = np.asarray(prepared(number))
        for corruption in CORRUPTIONS:
            for severity in SEVERITIES:
                yield f"{corruption}-{severity}-{number}.jpg", pixels, corruption, severity


def _passes(work: Work, architecture: str, device: str) -> dict[str, float]:
    """Return the costs of passes on a device: the fastest without gradients, and those of attacks."""
    asked = replace(request(work.photos, architecture, exact=True), device=device)
    classifier = load_classifier(str(work.checkpoint(architecture)), asked)
    size = default_batch(classifier.device)
    _, height, width = classifier.preprocessing.input_size
    images = torch.randint(0, 256, (size, 3, height, width), dtype=torch.uint8)
    forward = min(_forward(classifier, images, settings) for settings in _settings(classifier))
    attack = _attack_pass(classifier, images)
    return {"forward_ms": 1e3 * forward, "attack_ratio": attack / forward}


def _settings(classifier: Classifier) -> list[ComputeSettings]:
    """Return the settings that a run may take."""
    precisions: tuple[Precision, ...] = ("fp32", *half_precisions(classifier.device))
    return [classifier.rule(precision) for precision in precisions]


def _forward(classifier: Classifier, images: torch.Tensor, settings: ComputeSettings) -> float:
    """Return seconds of a forward pass of an image (N, 3, H, W) uint8, the transfer included."""
    classifier.try_out(settings)

    def one_pass() -> None:
        with torch.no_grad():
            classifier.raw(classifier.inputs(images)).sum().item()

    return _seconds(one_pass, classifier.device) / len(images)


def _attack_pass(classifier: Classifier, images: torch.Tensor) -> float:
    """Return seconds of a pass of an image in an attack: half of forward and backward, in float32."""
    classifier.try_out(classifier.rule("fp32"))
    pixels = classifier.pixels(images)
    label = torch.zeros(len(images), dtype=torch.long, device=classifier.device)

    def both() -> None:
        point = pixels.detach().requires_grad_(True)
        loss = F.cross_entropy(classifier.raw(classifier.normalise(point), exact=True), label)
        torch.autograd.grad(loss, point)[0].sum().item()

    return _seconds(both, classifier.device) / len(images) / 2


def _seconds(function: Callable[[], object], device: torch.device) -> float:
    """Return the least time of several calls that wait for the device: CPU time on a CPU, else wall time."""
    clock = cpu_seconds if device.type == "cpu" else time.perf_counter
    function()
    spent = []
    for _ in range(REPETITIONS):
        begin = clock()
        function()
        spent.append(clock() - begin)
    return min(spent)


def _storing(work: Work) -> dict[str, float]:
    """Return the costs of the store: time of a shard with its packing, bytes of an image."""
    clean = storage.written(work, "clean", with_probabilities=True)
    other = storage.written(work, "corrupted", with_probabilities=False)
    return {
        "shard_ms": 1e3 * other[2] * SHARD_SIZE / storage.IMAGES,
        "clean_bytes": clean[1] / storage.IMAGES,
        "view_bytes": other[1] / storage.IMAGES,
    }


def _start(work: Work) -> float:
    """Return the wall time of a run that finds all predictions in the store."""
    folder = work.new_folder()
    command = ["-m", "pytest", "-p", "no:cacheprovider", "--model=demo", f"--quba-store={folder}/store"]
    run(command, folder, allowed=(0, 1))
    begin = time.perf_counter()
    run(command, folder, allowed=(0, 1))
    return time.perf_counter() - begin

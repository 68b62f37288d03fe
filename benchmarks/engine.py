"""Rows on the engine and the command against the best loop over JPEG files that we know, and a plain one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from statistics import median
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.material import write_array_suite, write_photos
from benchmarks.measuring import Ratio, cpu_of, run, seconds_of
from benchmarks.row import Row
from benchmarks.work import LITE0, MOBILENET, RESNET, VIT, Work
from quba_check.core.view import CLEAN
from quba_check.engine.batching import CPU_BATCH
from quba_check.engine.preparer import Preparer
from quba_check.models.classifier import Classifier, ConvolutionWeights
from quba_check.models.identity.state import state_digest
from quba_check.models.preprocessing import fast
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

PLAIN_BATCH = 64
READERS = 2
IMAGES = {LITE0: 384, RESNET: 192, MOBILENET: 768, VIT: 256}
PAIRS = 4
LEAST_SESSION = 0.95
LEAST_OPENVINO = {LITE0: 1.4, RESNET: 1.05, MOBILENET: 1.3, VIT: 1.05}
LEAST_COMMAND = {"torch": 0.6, "openvino": 0.85}
MOST_OVERHEAD = 3.0
SIDE = 16
ARRAYS = 50_000
FILES = 4_096
"""Side in pixels, and numbers of images, of the rows without a network."""
LEAST_ARRAYS = 15_000
MOST_OF_LOCK = 0.06
THRESHOLDS = "schema: 1\nname: command\ndimensions:\n  accuracy: {min: 0.1}\n"


def rows(work: Work) -> list[Row]:
    """Return a row for each network, one on the whole command, and those without a network; on all cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        sessions = [row for architecture in IMAGES for row in _session_rows(work, architecture)]
        return [*sessions, *_command_rows(work), _arrays_row(work), _lock_row(work)]
    finally:
        torch.set_num_threads(threads)


def _session_rows(work: Work, architecture: str) -> list[Row]:
    suite = work.labelled(IMAGES[architecture])
    engine, best, plain = (work.classifier(architecture, suite, exact=False) for _ in range(3))
    openvino = work.classifier(architecture, suite, exact=False, runtime="openvino")
    layout = best_layout(best)
    sides = (
        lambda: _predict_by_engine(work, engine, suite),
        lambda: _predict_by_engine(work, openvino, suite),
        lambda: best_loop(best, suite, layout),
        lambda: plain_loop(plain, suite),
    )
    for side in sides:
        side()
    times = [[seconds_of(side) / IMAGES[architecture] for side in sides] for _ in range(PAIRS)]
    plain_speed = 1 / median(last for *_, last in times)
    results = []
    for side, (name, least) in enumerate(
        (("", LEAST_SESSION), (" in OpenVINO", LEAST_OPENVINO[architecture]))
    ):
        ratio = Ratio.of([(seconds[side], seconds[2]) for seconds in times])
        speeds = f"{1 / ratio.ours:.0f} images/s against {1 / ratio.other:.0f}"
        title = f"engine, {architecture}{name}: share of the best loop's images/s"
        results.append(
            Row.of_ratio(title, ratio, f"{speeds}, and {plain_speed:.0f} of the plain loop", least)
        )
    return results


def _command_rows(work: Work) -> list[Row]:
    """Return rows on `pytest --model=…` with one demand on accuracy, from the start to its end."""
    suite = work.labelled(1000)
    classifier = work.classifier(LITE0, suite, exact=False)
    layout = best_layout(classifier)
    best_loop(classifier, suite, layout)

    def command(runtime: str) -> None:
        folder = work.new_folder()
        (folder / "demands.yaml").write_text(THRESHOLDS, encoding="utf-8")
        arguments = ["-m", "pytest", "-p", "no:cacheprovider", f"--model={work.checkpoint(LITE0)}",
                     f"--quba-arch={LITE0}", f"--quba-data={suite.root}", f"--quba-store={folder}/store",
                     f"--quba-runtime={runtime}", "demands.yaml"]  # fmt: skip
        run(arguments, folder, threads=torch.get_num_threads())

    loop = min(seconds_of(lambda: best_loop(classifier, suite, layout)) for _ in range(2))
    results = []
    for runtime, least in LEAST_COMMAND.items():
        ratio = Ratio.of([(min(seconds_of(partial(command, runtime)) for _ in range(2)), loop)])
        details = f"{ratio.ours:.1f} s of the command, start and doctor included, against {ratio.other:.1f} s"
        title = f"command, {LITE0} on 1,000 photos in {runtime}"
        more = ratio.ours - ratio.other
        results.append(Row.of_ratio(f"{title}: share of the best loop's images/s", ratio, details, least))
        if runtime == "torch":
            results.append(
                Row.at_most(f"{title}: more than the best loop", more, "s", details, MOST_OVERHEAD)
            )
    return results


class NullNetwork(torch.nn.Module):
    """A network that costs nothing, since it returns the same logits for all images."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.logits = [-1.0] * classes

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.tensor([self.logits]).expand(len(inputs), -1)


def _null_classifier(work: Work, suite: Suite) -> Classifier:
    """Return a classifier of small images that costs nothing."""
    other = work.classifier(MOBILENET, work.labelled(IMAGES[MOBILENET]), exact=False)
    small = replace(other.preprocessing, input_size=(3, SIDE, SIDE), crop_pct=1.0)
    network = NullNetwork(len(suite.classes)).eval()
    return replace(other, module=network, checksum=state_digest({}), preprocessing=small, head=suite.head)


def _arrays_row(work: Work) -> Row:
    pixels = np.random.default_rng(0).integers(0, 256, (ARRAYS, SIDE, SIDE, 3), np.uint8)
    suite = write_array_suite(work.new_folder() / "arrays", pixels)
    classifier = _null_classifier(work, suite)
    rate = ARRAYS / min(seconds_of(lambda: _predict_by_engine(work, classifier, suite)) for _ in range(PAIRS))
    details = f"{ARRAYS:,} arrays of {SIDE} × {SIDE} px, 1,000 classes, a network that costs nothing"
    goal = f"≥ {LEAST_ARRAYS:,} images/s"
    return Row("process, arrays", f"{rate:,.0f} images/s", details, goal, rate >= LEAST_ARRAYS)


def _lock_row(work: Work) -> Row:
    """Return the row on CPU time without threads, decoder and network, most of it with Python's lock."""
    root = work.new_folder()
    manifest = "{schema: 1, name: small, classes: [a, b], sets: {clean: %s}}"
    for first, name in enumerate("ab"):
        write_photos(root / "val" / name, range(first, FILES, 2), (SIDE, SIDE))
    (root / "quba-data.yaml").write_text(manifest % "{reader: folder, path: val}", encoding="utf-8")
    suite = open_suite(root)
    ready = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    times = []
    classifier = _null_classifier(work, suite)
    for _ in range(2 * PAIRS):
        engine = work.evaluation(classifier, suite, threads=0).engine
        engine.cache_keys.shard_keys(CLEAN)
        with patch.object(fast, "decode_jpeg", lambda _: ready):
            times.append(1e3 * cpu_of(lambda engine=engine: engine.predictions([CLEAN])) / FILES)
    details = f"CPU time of a thread that does all but decoding, {FILES:,} files of {SIDE} × {SIDE} px"
    return Row.at_most("process, JPEG files: lock per image", min(times), "ms", details, MOST_OF_LOCK, 3)


def _predict_by_engine(work: Work, classifier: Classifier, suite: Suite) -> None:
    engine = work.evaluation(classifier, suite).engine
    engine.cache_keys.shard_keys(CLEAN)
    engine.predictions([CLEAN])


def best_layout(classifier: Classifier) -> torch.memory_format:
    """Return the faster memory format of a network's inputs, and give its weights the same."""
    if not ConvolutionWeights(classifier.module).overlap:
        return torch.contiguous_format
    classifier.module.to(memory_format=torch.channels_last)
    return torch.channels_last


def best_loop(classifier: Classifier, suite: Suite, layout: torch.memory_format) -> None:
    """Predict photos in small batches, while threads decode the next ones."""
    prepare = Preparer(suite, classifier).of(CLEAN, crop=True)
    with ThreadPoolExecutor(READERS) as pool, torch.inference_mode():
        images = pool.map(prepare, suite.examples(CLEAN))
        while batch := list(islice(images, CPU_BATCH)):
            pixels = torch.stack(batch).float().div(255)
            classifier.module(classifier.normalise(pixels).contiguous(memory_format=layout)).argmax(dim=1)


def plain_loop(classifier: Classifier, suite: Suite) -> None:
    """Predict photos in batches of 64, decoded one after another before each batch."""
    prepare = Preparer(suite, classifier).of(CLEAN, crop=True)
    images = map(prepare, suite.examples(CLEAN))
    with torch.inference_mode():
        while batch := list(islice(images, PLAIN_BATCH)):
            classifier.module(classifier.normalise(torch.stack(batch).float().div(255))).argmax(dim=1)

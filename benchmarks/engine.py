"""Rows on the engine and the command against the best loop over JPEG files that we know, and a plain one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from statistics import median

import torch

from benchmarks.measuring import Ratio, run, seconds_of
from benchmarks.row import Row
from benchmarks.work import LITE0, MOBILENET, RESNET, VIT, Work
from quba_check.core.view import CLEAN
from quba_check.engine.batching import CPU_BATCH
from quba_check.engine.preparer import Preparer
from quba_check.models.classifier import Classifier, ConvolutionWeights
from quba_check.suites.suite import Suite

PLAIN_BATCH = 64
READERS = 2
IMAGES = {LITE0: 384, RESNET: 192, MOBILENET: 768, VIT: 256}
PAIRS = 4
LEAST_SESSION, LEAST_COMMAND = 0.95, 0.6
THRESHOLDS = "schema: 1\nname: command\ndimensions:\n  accuracy: {min: 0.1}\n"


def rows(work: Work) -> list[Row]:
    """Return a row for each network, and one on the whole command; all cores on all sides."""
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        return [*(_session_row(work, architecture) for architecture in IMAGES), _command_row(work)]
    finally:
        torch.set_num_threads(threads)


def _session_row(work: Work, architecture: str) -> Row:
    suite = work.labelled(IMAGES[architecture])
    engine, best, plain = (work.classifier(architecture, suite, exact=False) for _ in range(3))
    layout = best_layout(best)
    sides = (
        lambda: _predict_by_engine(work, engine, suite),
        lambda: best_loop(best, suite, layout),
        lambda: plain_loop(plain, suite),
    )
    for side in sides:
        side()
    times = [[seconds_of(side) / IMAGES[architecture] for side in sides] for _ in range(PAIRS)]
    ratio = Ratio.of([(ours, loop) for ours, loop, _ in times])
    details = (
        f"{1 / ratio.ours:.0f} images/s against {1 / ratio.other:.0f}, and "
        f"{1 / median(plain for _, _, plain in times):.0f} of the plain loop"
    )
    return Row.of_ratio(
        f"engine, {architecture}: share of the best loop's images/s", ratio, details, LEAST_SESSION
    )


def _command_row(work: Work) -> Row:
    """Return the row on `pytest --model=…` with one demand on accuracy, from the start to its end."""
    suite = work.labelled(1000)
    classifier = work.classifier(LITE0, suite, exact=False)
    layout = best_layout(classifier)
    best_loop(classifier, suite, layout)

    def command() -> None:
        folder = work.new_folder()
        (folder / "demands.yaml").write_text(THRESHOLDS, encoding="utf-8")
        arguments = ["-m", "pytest", "-p", "no:cacheprovider", f"--model={work.checkpoint(LITE0)}",
                     f"--quba-arch={LITE0}", f"--quba-data={suite.root}", f"--quba-store={folder}/store",
                     "demands.yaml"]  # fmt: skip
        run(arguments, folder, threads=torch.get_num_threads())

    loop = min(seconds_of(lambda: best_loop(classifier, suite, layout)) for _ in range(2))
    ratio = Ratio.of([(min(seconds_of(command) for _ in range(2)), loop)])
    details = f"{ratio.ours:.1f} s of the command, start and doctor included, against {ratio.other:.1f} s"
    title = f"command, {LITE0} on 1,000 photos, accuracy: share of the best loop's images/s"
    return Row.of_ratio(title, ratio, details, LEAST_COMMAND)


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

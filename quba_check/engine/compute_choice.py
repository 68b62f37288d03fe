"""The choice of a model's compute settings, and its answers under other settings.

The choice is the same for all processes and later runs. On a GPU it is half precision, and on a CPU OpenVINO
if requested, if that keeps the answers of torch in float32 on clean images.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace

import numpy as np
import torch
from torch import Tensor

from quba_check.core.view import CLEAN
from quba_check.engine.batching import Batching, batches, default_threads
from quba_check.engine.cache_keys import CacheKeys, shard_of
from quba_check.engine.preparer import Prepare
from quba_check.engine.shards import Executor
from quba_check.errors import ModelError, QubaError, StoreError
from quba_check.models import compute
from quba_check.models.choices import Precision
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings, device_name
from quba_check.models.runtimes import openvino_name
from quba_check.number_format import format_value
from quba_check.storage.store import Store, content_hash
from quba_check.storage.user_files import parse_json
from quba_check.suites.suite import Example, Suite

FORMAT = 4
"""Increased with the rules, so that earlier choices are not used."""
CHECKED_IMAGES = 2_995
"""Images on which half precision must flip no answer.

The upper 95 % limit of the share of flips is then 1 - 0.05 ** (1 / 2,995), which is 0.1 %.
"""
COMPARED_IMAGES = 64
"""Images of the first shard that OpenVINO predicts as torch does. What it changes depends on no image."""
SCORE_TOLERANCE = 1e-4
"""Largest change of a class score by OpenVINO, as a part of one plus the image's largest score."""
_REPEATED_IMAGES = 1_000
"""Largest number of images that are predicted again for the noise floor."""
_OTHER_BATCH = 3
"""Batches of another size, whose kernels sum in another order."""


def settle_compute(keys: CacheKeys, store: Store, executor: Executor, *, may_choose: bool) -> None:
    """Make the settings of a classifier's passes final.

    The rule decides on a CPU of this process. A choice that needs a check on images, or the device of an
    executor, is made once and read from the store by later runs and other processes.

    Args:
        keys: cache keys of model and images; nothing happens if the model's settings are final.
        store: the store of the choice.
        executor: predicts the shards.
        may_choose: choose if the store has no choice. Otherwise the settings then stay open.
    """
    classifier = keys.classifier
    if not classifier.is_open:
        return
    requested = classifier.compute.runtime
    settings: ComputeSettings | None = classifier.compute
    if executor.name or half_precisions(classifier.device) or requested == "openvino":
        name = _name(keys, executor)
        settings = None
        with suppress(OSError, StoreError, ValueError, TypeError):  # missing or damaged
            settings = ComputeSettings.from_dict(parse_json(store.objects.get(name)))
        if settings is None and may_choose:
            settings = executor.choose_compute()
            with suppress(StoreError):  # it is then chosen again
                store.objects.set(name, json.dumps(asdict(settings), indent=1).encode())
    if settings is not None:
        classifier.use(settings if requested == "openvino" else replace(settings, runtime=requested))
        if classifier.compute.runtime != requested:
            unused = f"{classifier.spec}: --quba-runtime={requested} is not used: {settings.reason}"
            classifier.notes = (*classifier.notes, unused)


def _name(keys: CacheKeys, executor: Executor) -> str:
    """Return the name of the file of a choice in a store.

    The devices of an executor are not known before it starts, so that its kind stands for them.
    """
    classifier = keys.classifier
    key = {
        "format": FORMAT,
        "model": classifier.fingerprint,
        "input_size": classifier.preprocessing.input_size,
        "device": executor.name.partition(",")[0] or device_name(classifier.device),
        "torch": torch.__version__,
    }
    if classifier.compute.runtime == "openvino":
        key |= {"runtime": openvino_name(), "settings": asdict(classifier.compute)}
        with suppress(QubaError):  # the check reports images that cannot be read
            key["images"] = keys.files_key(CLEAN, 0)
    return f"compute/{content_hash(key)}.json"


def half_precisions(device: torch.device) -> tuple[Precision, ...]:
    """Return the half precisions of a device, the preferred one first."""
    if device.type == "cuda":
        return ("bf16", "fp16") if torch.cuda.is_bf16_supported() else ("fp16",)
    # A CPU saves little, and attacks stay in float32.
    return ("fp16",) if device.type == "mps" else ()


def checked_settings(classifier: Classifier, suite: Suite, prepare: Prepare) -> ComputeSettings:
    """Return settings with half precision if it flips no answer, else those with float32.

    Args:
        classifier: the model, in float32; it is left there.
        suite: the images.
        prepare: prepares an image of the clean set.
    """
    plain = classifier.compute
    reason = compute.TOO_FEW
    try:
        examples = sample(suite.examples(CLEAN))
        if len(examples) == CHECKED_IMAGES:
            size = Batching(classifier, None).size
            with ThreadPoolExecutor(default_threads(classifier.device)) as pool:
                for precision in half_precisions(classifier.device):
                    half = classifier.rule(precision)
                    read = batches(examples, prepare, size, pool)
                    if not any(flips(classifier, half, images) for _, images in read):
                        return replace(half, reason=compute.CHECKED, images=CHECKED_IMAGES)
                    reason = compute.FLIPPED
    except QubaError:  # the shard with the image reports it
        reason = compute.NOT_CHECKED
    finally:
        classifier.try_out(plain)
    return replace(plain, reason=reason)


def checked_runtime(classifier: Classifier, suite: Suite, prepare: Prepare) -> ComputeSettings:
    """Return settings with OpenVINO if it gives the answers of torch, else those with torch.

    Args:
        classifier: the model, with OpenVINO; it is left there.
        suite: the images; some of the first shard of the clean set are compared.
        prepare: prepares an image of the clean set.
    """
    settings = classifier.compute
    plain = replace(settings, runtime="torch")
    batching, flipped, largest = Batching(classifier, None), 0, 0.0
    try:
        shard = shard_of(suite.examples(CLEAN), 0)
        examples = shard[:: max(1, len(shard) // COMPARED_IMAGES)][:COMPARED_IMAGES]
        with ThreadPoolExecutor(default_threads(classifier.device)) as pool:
            for _, images in batches(examples, prepare, batching.size, pool):
                expected, scores = (_scores(classifier, one, images, batching) for one in (plain, settings))
                flipped += int((scores.argmax(dim=1) != expected.argmax(dim=1)).sum())
                changes = (scores - expected).abs() / (1 + expected.abs().amax(dim=1, keepdim=True))
                largest = max(largest, changes.max().item())
    except QubaError as error:  # images that cannot be read are reported by their shard
        is_models = isinstance(error, ModelError)
        return replace(plain, reason=str(error) if is_models else compute.OPENVINO_NOT_CHECKED)
    finally:
        classifier.try_out(settings)
    plain = replace(plain, images=len(examples), flipped=flipped)
    if flipped or not largest <= SCORE_TOLERANCE:
        return replace(plain, reason=compute.OPENVINO_DIFFERS)
    return replace(plain, runtime=settings.runtime, reason=compute.OPENVINO)


def sample(examples: Sequence[Example]) -> list[Example]:
    """Return a random sample of a set, the same in all processes."""
    order = np.random.default_rng(0).permutation(len(examples))
    return [examples[number] for number in order[:CHECKED_IMAGES].tolist()]


def flips(classifier: Classifier, half: ComputeSettings, images: Tensor) -> int:
    """Return the number of images with another top-1 answer than in float32.

    Args:
        classifier: the model.
        half: settings with half precision.
        images: uint8, (N, 3, H, W).
    """
    plain, batching = classifier.rule("fp32"), Batching(classifier, None)
    answers = [_scores(classifier, settings, images, batching).argmax(dim=1) for settings in (plain, half)]
    return int((answers[0] != answers[1]).sum())


def _scores(classifier: Classifier, settings: ComputeSettings, images: Tensor, batching: Batching) -> Tensor:
    """Return the outputs for the suite's classes under other settings, which stay in use.

    Args:
        classifier: the model.
        settings: the settings.
        images: uint8, (N, 3, H, W).
        batching: passes that fit into memory.
    """

    def predict(rows: Sequence[Tensor]) -> Tensor:
        with torch.no_grad():
            scores = classifier.raw(classifier.inputs(torch.stack(list(rows))))
        return classifier.select_classes(scores).cpu()

    classifier.try_out(settings)
    return torch.cat(batching.run(predict, list(images)))


def noise_floor(classifier: Classifier, suite: Suite, prepare: Prepare) -> str:
    """Return the share of equal answers for each other way of computing them, in words.

    Programs run as they are: only the size of their batches is changed.

    Args:
        classifier: the model; its settings are the same afterwards.
        suite: the images.
        prepare: prepares an image of the clean set.

    Raises:
        QubaError: an image cannot be read, or the model fails.
    """
    plain, usual = classifier.compute, Batching(classifier, None)
    examples = sample(suite.examples(CLEAN))[:_REPEATED_IMAGES]
    equal: dict[str, int] = {}
    ways = [(f"in batches of {_OTHER_BATCH}", plain, _OTHER_BATCH)]
    if plain.reason not in (compute.PROGRAM, compute.SINGLE_IMAGES):
        other: Precision = "bf16" if plain.precision == "fp32" else "fp32"
        ways.append((f"in {other}", replace(classifier.rule(other), runtime="torch"), usual.size))
    try:
        with ThreadPoolExecutor(default_threads(classifier.device)) as pool:
            for _, images in batches(examples, prepare, usual.size, pool):
                expected = _scores(classifier, plain, images, usual).argmax(dim=1)
                for name, settings, size in ways:
                    parts = torch.split(images, size)
                    scores = torch.cat([_scores(classifier, settings, part, usual) for part in parts])
                    equal[name] = equal.get(name, 0) + int((scores.argmax(dim=1) == expected).sum())
    finally:
        classifier.try_out(plain)
    shares = [f"{format_value(count / len(examples), 'fraction')} {way}" for way, count in equal.items()]
    start = f"noise floor: of {len(examples):,} images {classifier.name} gives the same answer to "
    return start + " and ".join(shares)

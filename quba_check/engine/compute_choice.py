"""The choice of a model's compute settings, and its answers under other settings.

The choice is the same for all processes and later runs. On a GPU it is half precision, and on a CPU OpenVINO
if requested, if that keeps the answers of torch in float32: on clean images for half precision, and on images
of each predicted view for OpenVINO.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from quba_check.core.view import CLEAN, View
from quba_check.engine.batching import Batching, batches, default_threads
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.preparer import Prepare
from quba_check.errors import ModelError, QubaError, StoreError
from quba_check.models import compute
from quba_check.models.choices import Precision
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings, device_name
from quba_check.number_format import format_value
from quba_check.storage.store import Store, content_hash
from quba_check.storage.user_files import parse_json
from quba_check.suites.contents import shard_of
from quba_check.suites.suite import Example, Suite

FORMAT = 5
"""Increased with the rules, so that earlier choices are not used."""
CHECKED_IMAGES = 2_995
"""Images on which half precision must flip no answer.

The upper 95 % limit of the share of flips is then 1 - 0.05 ** (1 / 2,995), which is 0.1 %.
"""
COMPARED_IMAGES = 64
COMPARED_OF_VIEW = 8
"""Images of the first shard of the clean set, and of another view, that OpenVINO and torch predict."""
SCORE_TOLERANCE = 1e-4
"""Largest change of a class score by OpenVINO, as a part of one plus the image's largest score."""
_REPEATED_IMAGES = 1_000
"""Largest number of images that are predicted again for the noise floor."""
_OTHER_BATCH = 3
"""Batches of another size, whose kernels sum in another order."""


@dataclass(eq=False, repr=False)
class ComputeChoice:
    """Makes the settings of a classifier's passes final.

    The rule decides on a CPU of this process. A choice that needs a check on images, or the device of an
    executor, is made once and read from the store by later runs and other processes. OpenVINO is checked on
    each unattacked view, and left for all of them once one differs.

    Attributes:
        keys: cache keys of model and images.
        store: the store of the choices.
        executor: name of the executor; empty for this process.
        choose: returns the settings that the executor chooses on the images of a view.
    """

    keys: CacheKeys
    store: Store
    executor: str
    choose: Callable[[View], ComputeSettings]
    _choices: dict[View, ComputeSettings] = field(default_factory=dict, init=False)

    def settle(self, views: Sequence[View], *, may_choose: bool) -> None:
        """Settle the settings for the images of views; final settings other than OpenVINO stay.

        Args:
            views: views that will be predicted.
            may_choose: choose if the store has no choice. Otherwise the settings then stay open.
        """
        classifier = self.keys.classifier
        requested = classifier.compute.runtime
        if not classifier.may_change_compute and requested != "openvino":
            return
        settings: ComputeSettings | None = classifier.compute
        if requested == "openvino":
            settings = self._for_openvino(views, may_choose=may_choose)
        elif self.executor or half_precisions(classifier.device):
            settings = self._choice(CLEAN, may_choose=may_choose)
            settings = settings and replace(settings, runtime=requested)
        if settings is None or (settings == classifier.compute and not classifier.may_change_compute):
            return
        if classifier.may_change_compute or settings.runtime != requested:
            classifier.use(settings)
        else:  # more images were compared
            classifier.try_out(settings)
        if settings.runtime != requested:
            unused = f"{classifier.spec}: --quba-runtime={requested} is not used: {settings.reason}"
            classifier.notes = (*classifier.notes, unused)

    def _for_openvino(self, views: Sequence[View], *, may_choose: bool) -> ComputeSettings | None:
        """Return OpenVINO's settings, or the first choice of torch; None if still open."""
        unattacked = (view.images for view in views if view.attack is None)
        n_images = 0
        choice = None
        for view in dict.fromkeys([*self._choices, CLEAN.images, *unattacked]):
            choice = self._choice(view, may_choose=may_choose)
            if choice is None or choice.runtime != "openvino":
                return choice
            n_images += choice.images
        return choice and replace(choice, images=n_images)

    def _choice(self, view: View, *, may_choose: bool) -> ComputeSettings | None:
        """Return the choice on a view's images, stored or made now; else None."""
        if view not in self._choices:
            name = self._name(view)
            with suppress(OSError, StoreError, ValueError, TypeError):  # missing or damaged
                self._choices[view] = ComputeSettings.from_dict(parse_json(self.store.objects.get(name)))
            if view not in self._choices and may_choose:
                self._choices[view] = self.choose(view)
                with suppress(StoreError):  # it is then chosen again
                    content = json.dumps(asdict(self._choices[view]), indent=1)
                    self.store.objects.set(name, content.encode())
        return self._choices.get(view)

    def _name(self, view: View) -> str:
        """Return the name of the file of a choice in a store.

        The devices of an executor are not known before it starts, so that its kind stands for them.
        """
        classifier = self.keys.classifier
        key = {
            "format": FORMAT,
            "model": classifier.fingerprint,
            "input_size": classifier.preprocessing.input_size,
            "device": self.executor.partition(",")[0] or device_name(classifier.device),
            "torch": torch.__version__,
        }
        if classifier.compute.runtime == "openvino":
            key["view"] = str(view)
            with suppress(QubaError):  # the check reports images that cannot be read
                key |= {"entry": self.keys.cache_entry(view), "images": self.keys.files_key(view, 0)}
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


def checked_runtime(classifier: Classifier, suite: Suite, prepare: Prepare, view: View) -> ComputeSettings:
    """Return settings with OpenVINO if it answers as torch, else with torch.

    With the clean set a black image is compared, in which some networks divide by zero. Scores that both
    compute without a finite value are equal: the shard with the image reports them.

    Args:
        classifier: the model, with OpenVINO; it is left there.
        suite: the images; some of the first shard of the view are compared.
        prepare: prepares an image of the view.
        view: the view, without attack or columns.
    """
    settings = classifier.compute
    plain = replace(settings, runtime="torch")
    batching = Batching(classifier, None)
    flipped = 0
    largest = 0.0
    try:
        shard = shard_of(suite.examples(view), 0)
        needs_black = view == CLEAN.images
        count = COMPARED_IMAGES if needs_black else COMPARED_OF_VIEW
        examples = shard[:: max(1, len(shard) // count)][:count]
        with ThreadPoolExecutor(default_threads(classifier.device)) as pool:
            for _, images in batches(examples, prepare, batching.size, pool):
                if needs_black:
                    needs_black = False
                    images = torch.cat([images, torch.zeros_like(images[:1])])
                expected, scores = (
                    _scores(classifier, choice, images, batching) for choice in (plain, settings)
                )
                flips_of_batch, change = _changes(expected, scores)
                flipped += flips_of_batch
                largest = max(largest, change)
    except QubaError as error:  # images that cannot be read are reported by their shard
        is_models = isinstance(error, ModelError)
        return replace(plain, reason=str(error) if is_models else f"{compute.OPENVINO_NOT_CHECKED} {view}")
    finally:
        classifier.try_out(settings)
    plain = replace(plain, images=len(examples), flipped=flipped)
    if flipped or largest > SCORE_TOLERANCE:
        return replace(plain, reason=f"{compute.OPENVINO_DIFFERS} on {view}")
    return replace(plain, runtime=settings.runtime, reason=compute.OPENVINO)


def _changes(expected: Tensor, scores: Tensor) -> tuple[int, float]:
    """Return the number of other top-1 answers, and the largest change of a class score.

    A change is a part of one plus the image's largest score.
    """
    is_finite = expected.isfinite().all(dim=1) | scores.isfinite().all(dim=1)  # in one of both
    changes = ((scores - expected).abs() / (1 + expected.abs().amax(dim=1, keepdim=True))).amax(dim=1)
    changes = torch.where(is_finite, changes.nan_to_num(torch.inf), 0)
    is_flipped = is_finite & (scores.argmax(dim=1) != expected.argmax(dim=1))
    return int(is_flipped.sum()), changes.max().item()


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
    plain = classifier.rule("fp32")
    batching = Batching(classifier, None)
    answers = [_scores(classifier, settings, images, batching).argmax(dim=1) for settings in (plain, half)]
    return int((answers[0] != answers[1]).sum())


def _scores(classifier: Classifier, settings: ComputeSettings, images: Tensor, batching: Batching) -> Tensor:
    """Return the outputs for the suite's classes under other settings, which stay in use.

    They may be NaN: a comparison shows it, or the shard with the image.

    Args:
        classifier: the model.
        settings: the settings.
        images: uint8, (N, 3, H, W).
        batching: passes that fit into memory.
    """

    def predict(rows: Sequence[Tensor]) -> Tensor:
        with torch.no_grad():
            scores = classifier.raw(classifier.inputs(torch.stack(list(rows))), is_checked=False)
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
    plain = classifier.compute
    usual = Batching(classifier, None)
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

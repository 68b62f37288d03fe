"""The choice of a model's compute settings, the same for all processes and later runs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from quba_check.core.view import CLEAN, CLEAN_SET, View
from quba_check.engine.loader import default_threads
from quba_check.engine.order import Executor
from quba_check.engine.plan import BACKWARD, FORWARD
from quba_check.engine.preparer import Prepare
from quba_check.errors import QubaError, StoreError
from quba_check.models.classifier import Classifier
from quba_check.models.compute import (
    TOO_SHORT,
    UNREADABLE,
    ComputeRequest,
    ComputeSettings,
    PlannedPasses,
)
from quba_check.models.compute_probe import CHECKED_IMAGES, Probe, image_count
from quba_check.models.device import device_name
from quba_check.storage.atomic import write_atomically
from quba_check.storage.store import Store, content_hash
from quba_check.storage.user_files import read_json
from quba_check.suites.suite import Example, Suite

FOLDER = "compute"
FORMAT = 2
"""Increased with the rules of the probe, so that earlier choices are not used."""
MUCH_LONGER = 2
"""Ratio of planned passes from which a run that was too short for a probe says nothing about another."""
_WAIT_SECONDS = 0.05


def choose_compute(
    classifier: Classifier,
    suite: Suite,
    store: Store,
    views: Sequence[View],
    executor: Executor,
    probe: Callable[[PlannedPasses], ComputeSettings],
    batch_size: int | None = None,
) -> None:
    """Choose the compute settings of a classifier, once, before its first shard.

    The first process that needs a choice makes it; others and later runs read it from the store. A run that
    is too short for a probe takes the plain path, or the choice of an earlier run.

    Args:
        classifier: the model; nothing happens if its settings are final.
        suite: the images.
        store: the store of the choice.
        views: all views that the run needs.
        executor: predicts the shards.
        probe: returns the settings for the passes of the run, by a comparison on its devices.
        batch_size: images of a pass, if the user stated them.
    """
    request = classifier.requested
    if request is None:
        return
    if request.precision != "auto":
        classifier.use(_compiled(classifier.compute, request))
        return
    name, planned = _name(classifier, executor), planned_passes(suite, views)
    path = store.root / name
    while (settings := _read(path, planned)) is None:
        if not image_count(planned, 1):
            settings = ComputeSettings(requested="auto", reason=TOO_SHORT)
            break
        with store.try_lock(f"{FOLDER}/{path.stem}") as is_held:
            if is_held and (settings := _read(path, planned)) is None:
                chosen = probe(planned)
                stored = chosen if batch_size is None else replace(chosen, batch_size=None)
                settings = _share(store, name, stored, planned) or chosen
            if settings is not None:
                break
        time.sleep(_WAIT_SECONDS)
    classifier.use(_compiled(settings, request))


def probe_elsewhere(classifier: Classifier, views: Sequence[View], executor: Executor) -> ComputeSettings:
    """Return the settings that an executor chooses on its devices, for `choose_compute`."""
    request = classifier.requested
    executor.choose_compute(views, classifier)
    is_stated = request is not None and request.compile == "on"
    return replace(classifier.compute, compiled=False) if is_stated else classifier.compute


def fetch_choice(classifier: Classifier, store: Store, executor: Executor) -> None:
    """Copy the choice that other machines made to this one, if the store is elsewhere."""
    if classifier.requested is not None:
        store.fetch(_name(classifier, executor))


def adopt_choice(classifier: Classifier, store: Path, executor: Executor) -> ComputeSettings:
    """Return the settings behind a classifier's predictions, also if other processes chose them.

    An earlier choice is put to use. Without one, or after one of a short run, the settings are those of a
    short run and remain open, since this run may be much longer.

    Args:
        classifier: the model.
        store: the folder of the choice.
        executor: makes the passes.
    """
    request = classifier.requested
    if request is None:
        return classifier.compute
    path = store / _name(classifier, executor)
    settings = _read(path) if request.precision == "auto" else classifier.compute
    if settings is None or settings.reason == TOO_SHORT:
        return _compiled(ComputeSettings(requested="auto", reason=TOO_SHORT), request)
    classifier.use(_compiled(settings, request))
    return classifier.compute


def planned_passes(suite: Suite, views: Collection[View]) -> PlannedPasses:
    """Return the passes of views on all their images; unreadable sets count none."""
    plain = exact = 0
    for view in views:
        with contextlib.suppress(QubaError):
            images = len(suite.examples(view.images))
            plain += images
            exact += (FORWARD[view.attack] - 1 + BACKWARD[view.attack]) * images
    return PlannedPasses(plain, exact)


def probe_here(
    classifier: Classifier,
    suite: Suite,
    views: Sequence[View],
    preparation: Callable[[View], Prepare],
    planned: PlannedPasses,
    batch_size: int | None,
) -> ComputeSettings:
    """Return the settings chosen by a probe on images of the clean set."""
    unattacked = [view for view in views if view.attack is None]
    view = next((view for view in unattacked if view.set == CLEAN_SET), (*unattacked, CLEAN)[0])
    request = classifier.requested or ComputeRequest()
    try:
        examples = probe_examples(suite.examples(view))
        prepare = preparation(view)

        with ThreadPoolExecutor(max(1, default_threads(classifier.device))) as pool:

            def read(numbers: range) -> torch.Tensor:
                return torch.stack(list(pool.map(prepare, examples[numbers.start : numbers.stop])))

            return Probe(classifier, read, len(examples), planned, request, batch_size).choose()
    except QubaError:  # the shard with the image reports it
        return ComputeSettings(requested="auto", reason=UNREADABLE)


def probe_examples(examples: Sequence[Example]) -> list[Example]:
    """Return a random sample of a set, the same in all processes.

    Its beginning is a random sample, too.
    """
    order = np.random.default_rng(0).permutation(len(examples))
    return [examples[number] for number in order[:CHECKED_IMAGES].tolist()]


def _compiled(settings: ComputeSettings, request: ComputeRequest) -> ComputeSettings:
    return replace(settings, compiled=True) if request.compile == "on" else settings


def _name(classifier: Classifier, executor: Executor | None = None) -> str:
    """Return the name of the file of a choice in a store.

    The devices of an executor are not known before it starts, so that its kind stands for them.

    The number of threads, which differs between parallel and single runs, does not enter its name: both must
    make the same choice to share their predictions.
    """
    request = classifier.requested or ComputeRequest()
    kind = "" if executor is None else executor.name.partition(",")[0]
    key = {
        "format": FORMAT,
        "model": classifier.fingerprint,
        "input_size": classifier.preprocessing.input_size,
        "device": kind or device_name(classifier.device),
        "torch": torch.__version__,
        "compile": "off" if request.compile == "on" else request.compile,
    }
    return f"{FOLDER}/{content_hash(key)}.json"


def _read(path: Path, planned: PlannedPasses | None = None) -> ComputeSettings | None:
    """Return a stored choice.

    Args:
        path: its file.
        planned: the passes of the run; None accepts a choice for any run.

    Returns:
        The settings; None if they are missing or damaged, or if this run is much longer than one that was too
        short for a probe.
    """
    try:
        content = read_json(path, str(path), StoreError)
        settings, enough = ComputeSettings.from_dict(content["settings"]), MUCH_LONGER * content["planned"]
    except (StoreError, TypeError, KeyError, ValueError):
        return None
    is_much_longer = planned is not None and planned.total > enough
    return None if settings.reason == TOO_SHORT and is_much_longer else settings


def _share(
    store: Store, name: str, settings: ComputeSettings, planned: PlannedPasses
) -> ComputeSettings | None:
    """Store a choice that rests on measured times, unless another machine stored one meanwhile.

    Other processes would measure other times, and might choose otherwise.

    Returns:
        The choice of another machine; None if there is none that this run can use.
    """
    if not settings.images and settings.reason != TOO_SHORT:
        return None
    content = {
        "settings": settings.as_dict(),
        "threads": torch.get_num_threads(),
        "planned": planned.total,
    }
    path, own = store.root / name, json.dumps(content, indent=1).encode()
    stored = own
    if store.is_remote:
        store.objects.create(name, own)
        stored = store.objects.get(name)
    _write(path, stored)
    if stored == own:
        return None
    if (other := _read(path, planned)) is None:
        _write(path, own)
        store.upload(name)
    return other


def _write(path: Path, content: bytes) -> None:
    """Write a choice on this machine, if the folder can be written."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)

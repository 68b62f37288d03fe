"""The choice of a model's compute settings, the same for all processes and later runs."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import torch

from quba_check.engine.half_precision import half_precisions
from quba_check.engine.shard_request import Executor
from quba_check.errors import StoreError
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
from quba_check.models.device import device_name
from quba_check.storage.json_text import parse_json
from quba_check.storage.store import Store, content_hash

FORMAT = 3
"""Increased with the rules, so that earlier choices are not used."""


def settle_compute(
    classifier: Classifier, store: Store, executor: Executor, *, may_choose: bool = False
) -> None:
    """Make the settings of a classifier's passes final.

    The rule decides on a CPU of this process. A choice that needs a check on a GPU, or the device of an
    executor, is made once and read from the store by later runs and other processes.

    Args:
        classifier: the model; nothing happens if its settings are final.
        store: the store of the choice.
        executor: predicts the shards.
        may_choose: choose if the store has no choice. Otherwise the settings then stay open.
    """
    if not classifier.is_open:
        return
    settings: ComputeSettings | None = classifier.compute
    if executor.name or half_precisions(classifier.device):
        name = _name(classifier, executor)
        settings = None
        with suppress(OSError, StoreError, ValueError, TypeError):  # missing or damaged
            settings = ComputeSettings.from_dict(parse_json(store.objects.get(name)))
        if settings is None and may_choose:
            settings = executor.choose_compute()
            with suppress(StoreError):  # it is then chosen again
                store.objects.set(name, json.dumps(settings.as_dict(), indent=1).encode())
    if settings is not None:
        classifier.use(replace(settings, compiled=classifier.compute.compiled))


def _name(classifier: Classifier, executor: Executor) -> str:
    """Return the name of the file of a choice in a store.

    The devices of an executor are not known before it starts, so that its kind stands for them.
    """
    key = {
        "format": FORMAT,
        "model": classifier.fingerprint,
        "input_size": classifier.preprocessing.input_size,
        "device": executor.name.partition(",")[0] or device_name(classifier.device),
        "torch": torch.__version__,
    }
    return f"compute/{content_hash(key)}.json"

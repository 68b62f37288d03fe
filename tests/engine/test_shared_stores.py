"""Evaluations on a store at a URL, each as on a machine of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.s3 import S3Server
from support.tiny import write_models, write_suite

from quba_check.core.view import CLEAN, FGSM, View
from quba_check.doctor.cached_examination import cached_examination
from quba_check.engine.shard_predictor import BatchSettings
from quba_check.evaluation import Evaluation
from quba_check.models.compute import TOO_SHORT, ComputeSettings
from quba_check.storage.opening import open_store
from quba_check.storage.url_objects import UrlObjects

VIEWS = [CLEAN, FGSM, View("sketch"), View("corruptions", "fog", 3)]
NAME = "tiny_models_for_shared_stores"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    write_models(tmp_path, NAME)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield import_module(NAME)
    del sys.modules[NAME]


@pytest.fixture
def evaluate(
    tmp_path: Path, models: ModuleType, monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> Callable[..., Evaluation]:
    """Evaluations on a machine with a name, and with shards of four images."""
    monkeypatch.setattr("quba_check.engine.cache_keys.SHARD_SIZE", 4)
    monkeypatch.setattr(UrlObjects, "listing_seconds", 0.0)
    suite, url = write_suite(tmp_path / "data"), f"{s3.new_bucket()}/store"

    def made(machine: str, **options) -> Evaluation:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / machine))
        options = {"store": url, "batch_settings": BatchSettings(threads=0)} | options
        evaluation = Evaluation(f"{NAME}:net", suite, **options)
        models.COUNTS.update(forward=0, backward=0)
        return evaluation

    return made


def test_another_machine_predicts_nothing(evaluate: Callable[..., Evaluation], models: ModuleType) -> None:
    first = evaluate("first")
    before = first.engine.predictions(VIEWS)
    first.store.close()
    second = evaluate("second")
    assert second.store.root != first.store.root
    second.plan(["accuracy", "adversarial_robustness"])
    after = second.engine.predictions(VIEWS)
    assert models.COUNTS == {"forward": 0, "backward": 0}
    for view in VIEWS:
        np.testing.assert_array_equal(before[view].confidence, after[view].confidence)
    stored = first.store.files()
    assert sum(file.name.startswith("predictions/") for file in stored) == len(VIEWS)


def test_a_damaged_object_is_predicted_again(evaluate: Callable[..., Evaluation], models: ModuleType) -> None:
    first = evaluate("first")
    before = first.engine.predictions([CLEAN])[CLEAN]
    store = first.store
    (name,) = (file.name for file in store.objects.list("predictions"))
    content = bytearray(store.objects.get(name))
    content[-1] ^= 1
    store.objects.set(name, bytes(content))
    second = evaluate("second")
    after = second.engine.predictions([CLEAN])[CLEAN]
    assert models.COUNTS["forward"] == len(before.index)
    np.testing.assert_array_equal(before.confidence, after.confidence)
    (note,) = second.engine.pop_repairs()
    assert note.startswith("damaged shard predicted again: ")
    models.COUNTS.update(forward=0)
    evaluate("third").engine.predictions([CLEAN])
    assert models.COUNTS["forward"] == 0


def test_findings_of_the_doctor_are_shared(evaluate: Callable[..., Evaluation], models: ModuleType) -> None:
    expected = cached_examination(evaluate("first"), {"accuracy": []}, short=True)
    assert models.COUNTS["forward"] > 0
    examination = cached_examination(evaluate("second"), {"accuracy": []}, short=True)
    assert models.COUNTS["forward"] == 0
    assert examination.findings == expected.findings


def test_compute_settings_are_shared(
    evaluate: Callable[..., Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ComputeSettings(channels_last=True, requested="auto", reason="a test", images=33, gain=1.5)
    monkeypatch.setattr("quba_check.engine.compute_choice.image_count", lambda *_: 1)
    monkeypatch.setattr("quba_check.engine.worker.probe_here", lambda *_: chosen)
    first = evaluate("first")
    first.engine.predictions([CLEAN])
    second = evaluate("second")
    assert second.engine.compute.channels_last
    assert second.engine.work([CLEAN])[0].missing == 0


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[ComputeSettings]:
    """The settings that probes choose, one after another; every run is long enough for a probe."""
    choices: list[ComputeSettings] = []
    monkeypatch.setattr("quba_check.engine.compute_choice.image_count", lambda *_: 1)
    monkeypatch.setattr("quba_check.engine.worker.probe_here", lambda *_: choices.pop(0))
    return choices


FAST = ComputeSettings(channels_last=True, requested="auto", reason="a test", images=33, gain=1.5)
PLAIN = ComputeSettings(requested="auto", reason="a test", images=33)


def test_machines_that_start_together_take_the_first_choice(
    evaluate: Callable[..., Evaluation], models: ModuleType, probes: list[ComputeSettings]
) -> None:
    probes[:] = [FAST, PLAIN]
    first, second, third = evaluate("first"), evaluate("second"), evaluate("third")
    first.engine.predictions([CLEAN])
    first.store.close()
    models.COUNTS.update(forward=0)
    second.engine.predictions([CLEAN])
    assert (probes, models.COUNTS["forward"]) == ([], 0)
    assert second.classifier.compute.channels_last
    assert second.engine.compute.channels_last
    probes[:] = [PLAIN]
    third.engine.predictions([CLEAN])
    assert (probes, models.COUNTS["forward"]) == ([], 0)


def test_a_choice_for_a_much_shorter_run_is_replaced(
    evaluate: Callable[..., Evaluation], probes: list[ComputeSettings]
) -> None:
    probes[:] = [ComputeSettings(requested="auto", reason=TOO_SHORT), FAST]
    short, longer = evaluate("first"), evaluate("second")
    short.engine.predictions([CLEAN])
    longer.engine.determine_outputs(VIEWS)
    assert longer.classifier.compute == FAST
    assert evaluate("third").engine.compute == FAST


def test_a_choice_that_is_damaged_at_the_url_is_replaced(
    evaluate: Callable[..., Evaluation], probes: list[ComputeSettings]
) -> None:
    probes[:] = [FAST, FAST]
    first, second = evaluate("first"), evaluate("second")
    first.engine.predictions([CLEAN])
    store = first.store
    (name,) = (file.name for file in store.objects.list("compute"))
    store.objects.set(name, b"{")
    second.engine.predictions([CLEAN])
    assert second.classifier.compute == FAST
    assert evaluate("third").engine.compute == FAST


def test_an_open_store_is_used(evaluate: Callable[..., Evaluation], tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    assert evaluate("first", store=store).store is store
    assert evaluate("first", store=str(tmp_path / "other")).store.root == tmp_path / "other"

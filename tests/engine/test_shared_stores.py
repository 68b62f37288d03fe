"""Evaluations on a store at a URL, each as on a machine of its own."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.evaluations import Evaluate
from support.s3 import S3Server

from quba_check.core.view import CLEAN, FGSM, View
from quba_check.evaluation import Evaluation
from quba_check.models.compute import ComputeSettings
from quba_check.storage.opening import open_store
from quba_check.storage.url_objects import UrlObjects

VIEWS = [CLEAN, FGSM, View("sketch"), View("corruptions", "fog", 3)]


@pytest.fixture
def machine(tmp_path: Path, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> Evaluate:
    """Evaluations on a machine with a name, and with shards of four images."""
    monkeypatch.setattr("quba_check.suites.contents.SHARD_SIZE", 4)
    monkeypatch.setattr(UrlObjects, "listing_seconds", 0.0)
    url = f"{s3.new_bucket()}/store"

    def made(name: str, **options: object) -> Evaluation:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return evaluate(**{"store": url} | options)

    return made


@pytest.mark.usefixtures("without_stored_check")
def test_another_machine_predicts_nothing(machine: Evaluate, models: ModuleType) -> None:
    first = machine("first")
    before = first.engine.predictions(VIEWS)
    first.store.close()
    second = machine("second")
    assert second.store.root != first.store.root
    second.plan(["accuracy", "adversarial_robustness"])
    after = second.engine.predictions(VIEWS)
    assert models.COUNTS == {"forward": 0, "backward": 0}
    for view in VIEWS:
        np.testing.assert_array_equal(before[view].confidence, after[view].confidence)
    stored = first.store.files()
    assert sum(file.name.startswith("predictions/") for file in stored) == len(VIEWS)


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> list[ComputeSettings]:
    """The settings that checks of half precision choose, one after another."""
    settings: list[ComputeSettings] = []
    for module in ("compute_choice", "worker"):
        monkeypatch.setattr(f"quba_check.engine.{module}.half_precisions", lambda _: ("bf16",))
    monkeypatch.setattr("quba_check.engine.worker.checked_settings", lambda *_: settings.pop(0))
    return settings


HALF = ComputeSettings("bf16", requested="auto", reason="a test", images=33)


def test_compute_settings_are_shared(
    machine: Evaluate, models: ModuleType, choices: list[ComputeSettings]
) -> None:
    choices[:] = [HALF]
    first = machine("first")
    first.engine.predictions([CLEAN])
    first.store.close()
    second = machine("second")
    assert second.engine.compute == HALF
    assert second.engine.work([CLEAN])[0].missing == 0
    assert (choices, models.COUNTS["forward"]) == ([], 0)


def test_a_choice_that_is_damaged_at_the_url_is_replaced(
    machine: Evaluate, choices: list[ComputeSettings]
) -> None:
    choices[:] = [HALF, HALF]
    first = machine("first")
    first.engine.predictions([CLEAN])
    store = first.store
    (name,) = (file.name for file in store.objects.list("compute"))
    store.objects.set(name, b"{")
    second = machine("second")
    second.engine.predictions([CLEAN])
    assert second.classifier.compute == HALF
    assert machine("third").engine.compute == HALF


def test_an_open_store_is_used(machine: Evaluate, tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    assert machine("first", store=store).store is store
    assert machine("first", store=str(tmp_path / "other")).store.root == tmp_path / "other"

"""Attacks of other sizes than 8/255, through the whole engine, against networks whose robustness is known.

A linear network of two classes has an exact worst case: each pixel moves by ε against its weight, in [0, 1].
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.evaluations import Evaluate, new_evaluation
from support.tiny import CLASSES, PER_CLASS

from quba_check.core.protocols import EPSILON, PGD_STEP
from quba_check.core.request import Request
from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.demands import Demand
from quba_check.dimensions import registry
from quba_check.engine.batching import BatchSettings
from quba_check.engine.shards import ShardTask
from quba_check.engine.worker import Worker
from quba_check.evaluation import Evaluation
from quba_check.verdicts import decide
from quba_check.verdicts.evidence import evidence_of

N = PER_CLASS * len(CLASSES)
IMAGES = 300
SIDE = 6
"""Images of two shards, so that batches end within views."""
QUARTER, HALF, DOUBLE = (Fraction(size, 255) for size in (2, 4, 16))
SIZES = (Fraction(1, 510), QUARTER, HALF, EPSILON, DOUBLE)
NETS = """\
import numpy as np
import torch
from torch import nn

class Known(nn.Module):
    quba_config = {"input_size": (3, 6, 6), "mean": (0, 0, 0), "std": (1, 1, 1), "crop_pct": 1.0}

    def __init__(self):
        super().__init__()
        stored = np.load(__file__.replace("known_nets.py", "net.npz"))
        self.weights = nn.Parameter(torch.from_numpy(stored["weights"]))
        self.shift, self.frequency = float(stored["shift"]), float(stored["frequency"])

    def forward(self, x):
        margin = 10 * (x.flatten(1) @ self.weights - self.shift)
        if self.frequency:
            margin = 3 * torch.cos(2 * torch.pi * self.frequency * x.mean((1, 2, 3)))
        return torch.stack([-margin, margin], dim=1)

def net():
    return Known()
"""


def attacks_at(epsilon: Fraction) -> tuple[View, View]:
    return replace(FGSM, epsilon=epsilon), replace(PGD, epsilon=epsilon)


class KnownNet:
    """A network with its images and labels; the margin is positive where it answers class 1.

    It is linear in the pixels, or a wave that returns to its value if all pixels move by `period` / 255.
    """

    def __init__(self, folder: Path, period: float = np.inf) -> None:
        rng = np.random.default_rng(5)
        weights = rng.normal(size=3 * SIDE**2)
        self.weights = weights / np.abs(weights).sum()
        images = rng.integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8)
        self.points = images.transpose(0, 3, 1, 2).reshape(IMAGES, -1) / 255
        self.shift = float(np.median(self.points @ self.weights))
        self.frequency = 255 / period
        correct = rng.random(IMAGES) < 0.9
        self.sign = np.where((self.margin(self.points) > 0) == correct, 1, -1)
        numbers = {"weights": self.weights, "shift": self.shift, "frequency": self.frequency}
        np.savez(folder / "net.npz", **{name: np.float32(one) for name, one in numbers.items()})
        np.savez(folder / "clean.npz", images=images, labels=np.where(self.sign > 0, "b", "a"))
        (folder / "known_nets.py").write_text(NETS)
        (folder / "quba-data.yaml").write_text(
            f"schema: 1\nname: known\nclasses: [a, b]\nimage_size: {SIDE}\n"
            "sets: {clean: {reader: arrays, path: clean.npz}}\n"
        )

    def margin(self, points: np.ndarray) -> np.ndarray:
        if self.frequency:
            return np.cos(2 * np.pi * self.frequency * points.mean(1))
        return points @ self.weights - self.shift

    def is_right(self, points: np.ndarray) -> np.ndarray:
        return self.sign * self.margin(points) > 0


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., KnownNet]]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield partial(KnownNet, tmp_path)
    del sys.modules["known_nets"]


def evaluation_of(folder: Path) -> Evaluation:
    settings = BatchSettings(7, threads=0)
    return new_evaluation("known_nets:net", folder, batch_settings=settings, store=folder / "store")


def test_both_attacks_reach_the_worst_case_of_a_linear_network(known, tmp_path: Path) -> None:
    net = known()
    views = [view for epsilon in SIZES for view in attacks_at(epsilon)]
    found = evaluation_of(tmp_path).engine.predictions([CLEAN, *views])
    rights = []
    assert np.array_equal(found[CLEAN].correct, net.is_right(net.points))
    for epsilon in SIZES:
        step = float(epsilon) * net.sign[:, None] * np.sign(net.weights)
        worst = np.clip(net.points - step, 0, 1)
        assert np.abs(net.margin(worst)).min() > 1e-6  # no image is decided by rounding
        fgsm, pgd = (found[view] for view in attacks_at(epsilon))
        for right in (fgsm.correct, pgd.correct, pgd.extra["always_right"]):
            assert np.array_equal(right, net.is_right(worst)), epsilon
        rights.append(int(fgsm.correct.sum()))
    assert rights == sorted(rights, reverse=True)
    assert len({*rights}) == len(SIZES)


@pytest.mark.parametrize(("period", "masked"), [(10, "8/255"), (5, "4/255")])
def test_an_attack_that_overshoots_masks_the_demands_at_its_size(
    known, tmp_path: Path, period: int, masked: str
) -> None:
    """A step of 0.8 periods ends near the next top of the wave, and one of 0.4 or 1.6 in a trough."""
    known(period)
    number = registry["adversarial_robustness"].value_part
    request = Request("adversarial_robustness", number, epsilon=HALF)
    demands = {
        size: Demand(one, "min", 0.0, "block", False, "t.yaml", 1)
        for size, one in (("8/255", replace(request, epsilon=None)), ("4/255", request))
    }
    evaluation = evaluation_of(tmp_path)
    evaluation.plan(["adversarial_robustness"], [request])
    measured = evaluation.measure("adversarial_robustness")
    verdicts = {size: decide(demand, evidence_of(demand, measured)) for size, demand in demands.items()}
    assert {size: one.outcome for size, one in verdicts.items()} == {
        size: "fail" if size == masked else "pass" for size in demands
    }
    named = "" if masked == "8/255" else "ε = 4/255: "
    assert f"no evidence of robustness: {named}FGSM helps the model" in verdicts[masked].reason


def test_the_default_size_is_8_255_bit_for_bit(evaluate: Evaluate) -> None:
    assert (PGD.radius, PGD_STEP * PGD.radius) == (8 / 255, 2 / 255)
    assert attacks_at(Fraction(16, 510)) == (FGSM, PGD)
    keys = evaluate().engine.cache_keys
    entries = {keys.cache_entry(view) for epsilon in SIZES for view in attacks_at(epsilon)}
    assert len(entries) == 2 * len(SIZES)
    assert {*map(keys.cache_entry, (FGSM, PGD))} < entries


@pytest.mark.usefixtures("without_stored_check")
def test_each_size_is_predicted_once_and_planned(evaluate: Evaluate, models) -> None:
    views = [CLEAN, FGSM, *attacks_at(HALF), *attacks_at(QUARTER)]
    evaluation = evaluate()
    work = {str(one.view): (one.forward, one.backward) for one in evaluation.engine.work(views)}
    fgsm = (2 * N, N)
    pgd = (11 * N, 10 * N)
    assert work.pop("clean") == (N, 0)
    assert work == {
        "clean+fgsm": fgsm,
        "clean+fgsm@4/255": fgsm,
        "clean+pgd@4/255": pgd,
        "clean+fgsm@2/255": fgsm,
        "clean+pgd@2/255": pgd,
    }
    found = evaluation.engine.predictions(views)
    assert models.COUNTS["forward"] > 0
    again = evaluate()
    assert {one.missing for one in again.engine.work(views)} == {0}
    assert np.array_equal(again.engine.predictions(views)[views[3]].predicted, found[views[3]].predicted)
    assert models.COUNTS == {"forward": 0, "backward": 0}


def test_images_in_one_batch_have_one_size(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[set[View]] = []
    predicted = Worker._predicted

    def watched(worker: Worker, attack: str | None, tasks: Iterator[ShardTask]) -> Iterator[ShardTask]:
        given = list(tasks)
        together.append({task.view for task in given})
        yield from predicted(worker, attack, given)

    monkeypatch.setattr(Worker, "_predicted", watched)
    views = [CLEAN, *(replace(PGD, epsilon=epsilon) for epsilon in SIZES)]
    evaluate().engine.predictions(views)
    attacked = [group for group in together if any(view.attack for view in group)]
    assert sorted(map(len, attacked)) == [1] * len(SIZES)

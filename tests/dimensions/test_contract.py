"""Contract of all dimensions: they measure what they declare."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.answers import answers, facts

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import ModelFacts
from quba_check.core.view import CLEAN, CORRUPTIONS
from quba_check.dimensions import registry

CLASSES = 6
SHIFTS = {"imagenet_r": "r", "sketch": "coarse", "stylized": "coarse", "own": None}
MODEL = ModelFacts(parameters=5_000_000, trainable=1_000_000)
FACTS = facts(CLASSES, model=MODEL, shifts=tuple(SHIFTS), corruptions=CORRUPTIONS, spaces=SHIFTS)
PUBLISHED = [registry[name] for name in PUBLISHED_DIMENSIONS]
each_dimension = pytest.mark.parametrize("dimension", PUBLISHED, ids=lambda dimension: dimension.name)


def table(view):
    """Random answers to 60 images, right about half of the time."""
    rng = np.random.default_rng(sum(map(ord, str(view))))
    n = 60
    label = np.arange(n) % CLASSES
    logits = rng.normal(size=(n, CLASSES)) + 1.5 * np.eye(CLASSES)[label]
    table = answers(label, None, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    no = np.zeros(n, bool)
    texture = (label + 1) % CLASSES
    extra = {"texture": texture, "zero_gradient": no, "always_right": no}
    return replace(table, extra=extra, probabilities=table.probabilities if view == CLEAN else None)


@each_dimension
def test_measures_the_parts_that_it_declares(dimension):
    views = {view: table(view) for view in dimension.views(FACTS.suite)}
    assert len(views) == len(dimension.views(FACTS.suite))
    measured = dimension.measure(views, FACTS)
    declared = dimension.parts(FACTS.suite)
    assert (measured.dimension, measured.unit) == (dimension.name, dimension.unit)
    assert [(name, part.unit) for name, part in measured.parts.items()] == [
        (part.name, part.unit) for part in declared
    ]
    for quantity in (measured, *measured.parts.values()):
        assert type(quantity.value) is float
        assert np.isfinite(quantity.value)
        if quantity.curve is not None:
            low, high = quantity.curve.interval(0.95)
            assert low <= quantity.value <= high or quantity.debiased is not None
        assert (type(quantity.n) is int and quantity.n > 0) if views else quantity.n is None
    backwards = {view: one.rows(np.arange(60)[::-1]) for view, one in views.items()}
    assert dimension.measure(backwards, FACTS).value == pytest.approx(measured.value)
    assert dimension.title.endswith(".")
    assert dimension.source.startswith("arXiv 2503.17110")
    assert all(part.title for part in declared)


RELATIVE = ("adversarial_robustness", "corruption_robustness", "ood_robustness", "object_focus")


@pytest.mark.parametrize("name", [*RELATIVE, "accuracy"])
def test_ratios_to_the_accuracy_of_a_constant_answer_have_a_note(name):
    views = {view: table(view) for view in registry[name].views(FACTS.suite)}
    index = np.arange(60)
    label = np.where(index < 40, 0, 1)
    predicted = np.where(index < 20, 0, 2)
    views[CLEAN] = replace(views[CLEAN], label=label, predicted=predicted)
    note = (
        "no evidence of quality: the clean accuracy 0.333, to which it is relative, is not above 0.667, the "
        "share of the most frequent class"
    )
    assert (note in registry[name].measure(views, FACTS).notes) == (name in RELATIVE)


def test_directions_units_and_weights(snapshot):
    """As the paper has them; the weights of the QUBA score give the three robustnesses one vote together."""
    rows = [f"{d.name} {d.better} {d.unit} {d.weight}" for d in PUBLISHED]
    assert "\n".join(rows) == snapshot


def test_report_only_parts(snapshot):
    suite = facts(CLASSES, shifts=("sketch",), corruptions=CORRUPTIONS).suite
    parts = (f"{d.name}.{part.name}" for d in PUBLISHED for part in d.parts(suite) if part.better is None)
    assert "\n".join(parts) == snapshot


def test_importing_the_dimensions_loads_no_torch():
    code = "import quba_check.dimensions, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

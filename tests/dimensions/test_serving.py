"""serving: numbers by hand, the steps that cost most, and the reasons for no value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from support.answers import answers, reason, values
from support.answers import facts as facts_of
from support.requests import serving_request

from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Table
from quba_check.core.predictions import Predictions
from quba_check.core.request import Request
from quba_check.core.serving import Resize, ServingPipeline
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import measure_dimension, registry
from quba_check.errors import UnmeasurableError

SERVING = registry["serving"]
LABEL = [0] * 6 + [1] * 4
OWN = [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
"""Eight of ten are right."""
APP = ServingPipeline(jpeg=30, resize=Resize("opencv"), channels="BGR")
PIPELINES = {"app": APP, "phone": ServingPipeline(jpeg=85)}
METRICS = ("agreement", "negative_flips", "probability_change", "accuracy", "accuracy_drop")


def view(name: str) -> View:
    return View("clean", columns="top1" if "/" in name else "probabilities", variant=f"serving/{name}")


def predictions(predicted: list[int], probability: float = 0.75, group=None) -> Predictions:
    table = np.full((len(predicted), 2), 1 - probability)
    table[np.arange(len(table)), predicted] = probability
    return answers(LABEL, predicted, table, group=group)


def changed(*images: int, **options) -> Predictions:
    """The answers of the own preprocessing, other ones for some images."""
    return predictions([1 - k if i in images else k for i, k in enumerate(OWN)], **options)


def facts(*requests: Request, serving=PIPELINES) -> Facts:
    return facts_of(spaces={"clean": None}, serving=serving, requests=requests)


def requests_for(name: str) -> tuple[Request, ...]:
    return tuple(serving_request(name, metric) for metric in METRICS)


def measured(tables: dict[str, Predictions], *requests: Request) -> Measurement:
    shown = {CLEAN: predictions(OWN), **{view(name): table for name, table in tables.items()}}
    return measure_dimension(SERVING, shown, facts(*requests))


STEPS = {"app/jpeg": changed(1), "app/resize": changed(0, 1, 9), "app/channels": changed()}


def test_numbers_of_a_pipeline() -> None:
    # Image 0 is lost, 5 and 9 are gained: 9 of 10 are right.
    outcome = measured({"app": changed(0, 5, 9), **STEPS}, *requests_for("app"))
    assert values(outcome) == pytest.approx(
        {
            "app.agreement": 0.7,
            "app.negative_flips": 0.1,
            "app.probability_change": 0.5,
            "app.accuracy": 0.9,
            "app.accuracy_drop": -0.1,
        }
    )
    assert outcome.value == outcome.parts["app.agreement"].value
    assert {part.n for part in outcome.parts.values()} == {10}
    exact = binomtest(9, 10).proportion_ci(method="exact")
    assert outcome.parts["app.accuracy"].interval == pytest.approx(tuple(exact), abs=3e-4)


def test_the_interval_of_the_drop_is_paired() -> None:
    """The standard error of paired shares is that of McNemar's counts: sqrt(b + c - (b - c)² / n) / n."""
    n, lost, gained = 1000, 20, 10
    own = np.arange(n) >= 900
    served = own.copy()
    served[:lost], served[-gained:] = True, False
    shown = {CLEAN: answers(np.zeros(n), own), view("phone"): answers(np.zeros(n), served)}
    drop = measure_dimension(SERVING, shown, facts(serving_request("phone", "accuracy_drop"))).parts
    quantity = drop["phone.accuracy_drop"]
    assert quantity.value == pytest.approx(0.01)
    error = np.sqrt(lost + gained - (lost - gained) ** 2 / n) / n
    assert quantity.interval == pytest.approx((0.01 - 1.96 * error, 0.01 + 1.96 * error), abs=0.0015)


def test_steps_are_ranked_by_their_cost() -> None:
    tables = measured({"app": changed(0, 5), **STEPS}, *requests_for("app")).tables
    assert tables == {
        "steps": Table(
            ("pipeline", "step", "images", "share"),
            (("app", "resize", 3, 0.3), ("app", "jpeg", 1, 0.1), ("app", "channels", 0, 0.0)),
            "of 10 answers, those that one step alone changes",
        )
    }


def test_the_value_is_that_of_the_worst_pipeline() -> None:
    outcome = measured({"app": changed(0, 5), "phone": changed(3), **STEPS})
    assert (outcome.value, dict(outcome.parts)) == (0.8, {})
    only_phone = measured({"phone": changed(3)}, serving_request("phone", "agreement"))
    assert only_phone.value == 0.9
    assert only_phone.tables == {}


def test_the_same_outputs_are_noted_and_exact() -> None:
    outcome = measured({"phone": changed()}, *requests_for("phone"))
    assert outcome.notes == ("phone: the same predictions as the model's own preprocessing",)
    assert outcome.parts["phone.agreement"].interval == (1.0, 1.0)
    assert outcome.parts["phone.accuracy_drop"].value == 0


def test_groups_widen_intervals() -> None:
    """All images of four groups of twenty are lost."""
    label, group = np.zeros(100), np.arange(100) // 5
    wanted = [serving_request("phone", metric) for metric in METRICS if metric != "probability_change"]
    alone, grouped = (
        {CLEAN: answers(label, label, group=one), view("phone"): answers(label, group < 4, group=one)}
        for one in (None, group)
    )
    parts = measure_dimension(SERVING, grouped, facts(*wanted)).parts
    for name, one in measure_dimension(SERVING, alone, facts(*wanted)).parts.items():
        other = parts[name]
        assert (other.groups, other.value) == (20, one.value)
        assert np.ptp(other.interval) > 1.5 * np.ptp(one.interval)


@given(st.lists(st.integers(0, 1), min_size=len(LABEL), max_size=len(LABEL)))
def test_the_drop_is_bounded_by_the_changed_answers(served: list[int]) -> None:
    parts = measured({"phone": predictions(served)}, *requests_for("phone")).parts
    agreement, lost, _, accuracy, drop = (parts[f"phone.{metric}"].value for metric in METRICS)
    gained = np.mean((np.array(OWN) != LABEL) & (np.array(served) == LABEL))
    assert drop == pytest.approx(0.8 - accuracy, abs=1e-12)
    assert drop == pytest.approx(lost - gained, abs=1e-12)
    assert lost + gained == pytest.approx(1 - agreement)  # with two classes no error becomes another one
    for metric in METRICS:
        low, high = parts[f"phone.{metric}"].interval
        assert low <= parts[f"phone.{metric}"].value <= high


def test_views_are_of_demanded_pipelines_and_their_steps() -> None:
    phone = facts(serving_request("phone", "agreement")).suite
    assert SERVING.views(phone) == (CLEAN, view("phone"))
    app = ("app", "app/jpeg", "app/resize", "app/channels")
    assert SERVING.views(facts(serving_request("app", "accuracy")).suite) == (CLEAN, *map(view, app))
    assert SERVING.views(facts().suite) == (CLEAN, view("app"), view("phone"), *map(view, app[1:]))


def test_directions_of_the_parts() -> None:
    parts = {part.name: part.better for part in SERVING.parts(facts(*requests_for("app")).suite)}
    assert parts == {
        "app.agreement": "high",
        "app.negative_flips": "low",
        "app.probability_change": "low",
        "app.accuracy": "high",
        "app.accuracy_drop": "low",
    }


def test_without_a_pipeline_there_is_no_value() -> None:
    text = "the manifest declares no pipeline under 'serving'"
    assert reason(SERVING, {}, facts(serving={})) == (text, True)
    with pytest.raises(UnmeasurableError, match=text):
        SERVING.check_suite(facts(serving={}).suite, None)

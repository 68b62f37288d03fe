"""Planned demands: order, node ids and protocols."""

from __future__ import annotations

from support.gate import thresholds

from quba_check.gate.plan import plan_demands

TWO = thresholds("dimensions:\n  accuracy: {min: 0.5}\n  corruption_robustness: {parts: {fog: {min: 0.2}}}")
RELEASED = thresholds("protocol: released\ndimensions: {parameters: {max: 30}}")


def test_demands_of_one_model_have_the_names_of_the_file() -> None:
    planned = plan_demands(["net"], [TWO], "standard")
    assert [each.node_id for each in planned] == [
        "x.yaml::accuracy[min]",
        "x.yaml::corruption_robustness.fog[min]",
    ]
    assert [each.demand for each in planned] == list(TWO.demands)


def test_demands_of_several_models_come_model_by_model() -> None:
    planned = plan_demands(["net", "other"], [TWO], "standard")
    assert [each.node_id for each in planned] == [
        "x.yaml::accuracy[min-net]",
        "x.yaml::corruption_robustness.fog[min-net]",
        "x.yaml::accuracy[min-other]",
        "x.yaml::corruption_robustness.fog[min-other]",
    ]
    assert [each.model for each in planned] == ["net", "net", "other", "other"]


def test_a_file_without_protocol_takes_the_default() -> None:
    planned = plan_demands(["net"], [TWO, RELEASED], "standard")
    assert [each.protocol for each in planned] == ["standard", "standard", "released"]

"""The table of detectable differences."""

from support.gate import thresholds
from support.tuned import quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.reports.power import power_text


def test_differences_with_and_without_a_record(snapshot: SnapshotAssertion) -> None:
    few_images = "uncertain: fail\ndimensions: {accuracy: {min: 0.895}, parameters: {max: 5}}"
    drops = "dimensions: {accuracy: {min: 0.85, max_drop: 0.01, max_relative_drop: 5%}}"
    never = (
        "uncertain: fail\n"
        "dimensions: {accuracy: {min: 0.999}, calibration_error: {max: 0.001}, shape_bias: {min: 0.5}}"
    )
    texts = [
        power_text(thresholds(few_images), 400, None),
        power_text(thresholds(drops), 4000, record()),
        power_text(thresholds(never), 100, record()),
    ]
    assert "\n".join(texts) == snapshot


def test_slices_have_a_difference_or_a_reason() -> None:
    values = {f"site={name}": quantity(0.9, 0.02, "fraction", n=500) for name in "ab"}
    row = quantity(0.9, 0.01, "fraction", better="high", parts={}, slices={"site": {"values": values}})
    other = quantity(0.1, 0.01, "fraction", better="low", parts={})
    worst = "slices: {site: {worst: {%s: 0.5}, min_images: 500, min_groups: 1}}"
    file = thresholds(
        f"dimensions:\n  accuracy: {{{worst % 'min'}}}\n  calibration_error: {{{worst % 'max'}}}"
    )
    text = power_text(file, None, record(measurements={"accuracy": row, "calibration_error": other}))
    accuracy, error, reason = text.splitlines()[-3:]
    assert len(accuracy.split()) == 6
    assert error.split()[-3:] == ["-", "-", "-"]
    assert (
        reason == "-: calibration_error@slice=site:worst[max]: this run has no value of it, or a masked one."
    )

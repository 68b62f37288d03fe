"""Next steps for demands that are not met."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from quba_check.comparison.stored_run import StoredRun
from quba_check.records.measurement import MeasurementRow
from quba_check.records.verdict import DROPS, VerdictRow

ON_CLEAN_IMAGES = ("accuracy", "calibration_error", "class_balance")
"""Dimensions of clean images alone, whose errors `quba-check failures` lists."""


MEASURES: Mapping[str, str] = {
    "accuracy": (
        "Rule out an error of the setup first: `quba-check doctor` examines preprocessing, class order and "
        "labels."
    ),
    "adversarial_robustness": (
        "Adversarial training raises this value and usually costs clean accuracy (Madry et al., ICLR 2018)."
    ),
    "corruption_robustness": (
        "The heatmap below shows which corruptions cost most. Augmentations of another kind than the test, "
        "such as AugMix (Hendrycks et al., ICLR 2020), raise this value."
    ),
    "ood_robustness": (
        "The chart of the sets below shows which rendition costs most. A better clean accuracy alone does "
        "not raise this ratio."
    ),
    "calibration_error": (
        "Temperature scaling changes no prediction and usually lowers this value (Guo et al., ICML 2017): "
        "`temperature` in the file of --quba-preprocessing. The explanation states the best one."
    ),
    "class_balance": (
        "The worst classes are named below. Check their labels and their number of training images first."
    ),
    "object_focus": (
        "The model uses the background. Training on images with exchanged backgrounds lowers that "
        "(Xiao et al., ICLR 2021)."
    ),
    "shape_bias": (
        "The model decides by texture. Training on stylized images raises shape bias "
        "(Geirhos et al., ICLR 2019)."
    ),
    "parameters": "Choose a smaller variant of the architecture, or distil the model into one.",
    "quba": "The grade weighs nine dimensions: the ones furthest below the population's median cost most.",
}
"""What usually helps, by dimension."""
MASKED = (
    "The gradients mislead the attacks, so this value overstates robustness. Remove quantization, "
    "non-differentiable preprocessing or saturated outputs, then measure again."
)


def advice(run: StoredRun, row: VerdictRow, baseline: StoredRun | None) -> Iterator[tuple[str, str]]:
    """Yield next steps for an unmet demand, each with a command or an empty text."""
    record = shlex.quote(run.file)
    if row.outcome == "not run":
        yield "Run the gate again: this demand was not judged.", ""
        return
    if row.outcome == "unmeasurable":
        folder = shlex.quote(run.record.suite.root)
        yield "List which sets the data folder has:", f"quba-check suite describe {folder}"
        return
    if row.bound in DROPS and baseline is not None:
        before = shlex.quote(baseline.file)
        command = f"quba-check compare {before} {record} --flips flips.csv"
        yield "Write the images whose answers changed:", command
    measured = run.record.measurements.get(row.dimension)
    if isinstance(measured, MeasurementRow) and measured.masked:
        yield MASKED, ""
    elif row.dimension in MEASURES:
        yield MEASURES[row.dimension], ""
    if row.dimension in ON_CLEAN_IMAGES and run.images is not None:
        yield "List the images that the model gets wrong:", f"quba-check failures {record}"
    if row.within_noise:
        yield "The bound lies within the noise: more images decide whether the model meets it.", ""

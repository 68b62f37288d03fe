"""Demands on slices: what they read, what they inherit, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quba_check.core.facts import SuiteFacts
from quba_check.demands import read_thresholds
from quba_check.errors import ThresholdError

SUITE = SuiteFacts("toys", 10, ("sketch",), (), {}, slices=("lighting", "top5", "lighting,camera"))
HEAD = "schema: 1\ndimensions:\n"


@pytest.fixture
def read(tmp_path):
    def read(text, suite=SUITE, **others):
        for name, content in {"gate": f"{HEAD}{text}", **others}.items():
            (tmp_path / f"{name}.yaml").write_text(content)
        return read_thresholds(tmp_path / "gate.yaml", label="gate.yaml", suite=suite)

    return read


def test_all_keys(read):
    demands = read("""\
  accuracy:
    tier: warn
    slices:
      lighting: {worst: {min: 0.8}, gap: {max: 0.05, tier: info}, min_images: 20}
      top5: {worst: {min: 0.5}}
      lighting=night: {min: 0.75, max_drop: 2e-2, optional: true}
      lighting=night,camera=a.worst: {min: 0.5}
  calibration_error: {slices: {lighting: {worst: {max: 0.1}}}}
""").demands
    assert [(one.name, one.request.slice, one.tier, one.better, one.min_images) for one in demands] == [
        ("accuracy.slices.lighting.worst[min]", "lighting", "warn", "high", 20),
        ("accuracy.slices.lighting.gap[max]", "lighting", "info", "low", 20),
        ("accuracy.slices.top5.worst[min]", "top5", "warn", "high", 50),
        ("accuracy.slices.lighting=night[min]", "lighting=night", "warn", "high", 50),
        ("accuracy.slices.lighting=night[max_drop]", "lighting=night", "warn", "high", 50),
        (
            "accuracy.slices.lighting=night,camera=a.worst[min]",
            "lighting=night,camera=a.worst",
            "warn",
            "high",
            50,
        ),
        ("calibration_error.slices.lighting.worst[max]", "lighting", "block", "low", 50),
    ]
    assert [one.request.kind != "value" for one in demands] == [True, True, True, False, False, False, True]
    assert [one.optional for one in demands] == [False] * 3 + [True] * 2 + [False] * 2


def test_extended_files_are_merged(read):
    base = f"{HEAD}  accuracy:\n    slices:\n      lighting: {{worst: {{min: 0.8}}, gap: {{max: 0.1}}}}\n"
    text = "  accuracy: {slices: {lighting: {gap: null, min_images: 9}}}\nextends: base.yaml\n"
    (demand,) = read(text, base=base).demands
    assert (demand.name, demand.min_images) == ("accuracy.slices.lighting.worst[min]", 9)


def test_the_digest_depends_on_the_least_number_of_images(read):
    entry = "  accuracy: {slices: {lighting: {worst: {min: 0.8}, min_images: %s}}}\n"
    texts = [entry % number for number in (9, 50)]
    first, second = (read(text).inputs[0].demands for text in texts)
    assert first != second
    assert second == read("  accuracy: {slices: {lighting: {worst: {min: 0.8}}}}\n").inputs[0].demands


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "accuracy: {slices: {lightning: {worst: {min: 0.8}}}}",
            "accuracy.slices: the suite 'toys' has no slices of 'lightning'. "
            "Allowed: lighting, top5, lighting,camera. Did you mean 'lighting'?",
        ),
        (
            "accuracy: {slices: {camera=a: {min: 0.8}}}",
            "accuracy.slices: the suite 'toys' has no slices of 'camera'. "
            "Allowed: lighting, top5, lighting,camera.",
        ),
        (
            "parameters: {slices: {lighting: {worst: {max: 1}}}}",
            "parameters.slices: it needs no images, and has no slices. Allowed: bounds on its value.",
        ),
        ("accuracy: {slices: {lighting: {}}}", "accuracy.slices.lighting: got nothing. Allowed: worst, gap."),
        (
            "accuracy: {slices: {lighting: {min: 0.8}}}",
            "accuracy.slices.lighting: got min. Allowed: worst, gap.",
        ),
        (
            "accuracy: {slices: {lighting=a: {worst: {min: 0.8}}}}",
            "accuracy.slices.lighting=a: got worst. Allowed: min, max_drop, max_relative_drop.",
        ),
        (
            "accuracy: {slices: {lighting: {worst: {max_drop: 0.8}}}}",
            "accuracy.slices.lighting.worst: got max_drop. Allowed: min.",
        ),
        (
            "accuracy: {slices: {lighting: {gap: {min: 0.1}}}}",
            "accuracy.slices.lighting.gap: got min. Allowed: max.",
        ),
        (
            "accuracy: {slices: {lighting: {worst: {min: 80}}}}",
            "accuracy.slices.lighting.worst min 80 can never be met: fractions end at 1. Did you mean 0.8?",
        ),
        (
            "accuracy: {slices: {lighting: {min_images: 9}}}",
            "dimensions.accuracy.slices.lighting.min_images: it applies to no demand. "
            "Allowed: together with worst or gap.",
        ),
    ],
)
def test_errors(read, entry, message):
    with pytest.raises(ThresholdError) as raised:
        read(f"  {entry}\n")
    assert str(raised.value) == f"gate.yaml:3: {message}"


def test_a_suite_without_slices(read):
    with pytest.raises(ThresholdError) as raised:
        read("  accuracy: {slices: {lighting: {worst: {min: 0.8}}}}\n", replace(SUITE, slices=()))
    assert str(raised.value) == (
        "gate.yaml:3: accuracy.slices: the suite 'toys' has no slices of 'lighting'. "
        "Declare them in its manifest."
    )

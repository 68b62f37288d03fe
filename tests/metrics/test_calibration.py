"""Calibration errors: by hand, by definition, and against torchmetrics; reliability bins."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from quba_check.metrics import calibration
from quba_check.metrics.calibration import reliability_bins

examples = settings(deadline=None, derandomize=True, max_examples=60)


def expected_calibration_error(confidence, right, *, bins):
    return calibration.expected_calibration_error(confidence, right, bins=bins).estimate.value


def adaptive_calibration_error(probabilities, label, *, bins):
    return calibration.adaptive_calibration_error(probabilities, label, bins=bins).estimate.value


@st.composite
def tables(draw):
    """Probability tables with labels: smooth, full of ties, or full of exact zeros and ones."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, 70))
    classes = draw(st.integers(2, 6))
    kind = draw(st.sampled_from(["smooth", "ties", "saturated"]))
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    logits = {"smooth": logits, "ties": np.rint(logits), "saturated": 200 * np.rint(logits)}[kind]
    probabilities = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    return probabilities, rng.integers(0, classes, rows)


def top(probabilities, label):
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == label


def slow_ace(probabilities, label, bins=15):
    """The definition, image by image."""
    errors = []
    for k in range(probabilities.shape[1]):
        rows = [(float(p), float(y == k)) for p, y in zip(probabilities[:, k], label, strict=True) if p > 0]
        ordered = sorted(p for p, _ in rows)
        n = len(rows)
        if n == 0:
            errors.append(0.0)
            continue
        edges = [ordered[min(round(j * n / bins), n - 1)] for j in range(1, bins)]
        gaps = [0.0] * bins
        for p, y in rows:
            gaps[sum(edge <= p for edge in edges)] += y - p
        errors.append(sum(abs(gap) for gap in gaps) / n)
    return sum(errors) / len(errors)


class TestEce:
    def test_by_hand(self):
        """Bin 9 of 15 holds 0.61 and 0.65 (one right), bin 13 holds 0.9 (right)."""
        confidence = np.array([0.61, 0.65, 0.9], dtype=np.float32)
        ece = expected_calibration_error(confidence, np.array([True, False, True]), bins=15)
        assert ece == pytest.approx((abs(1 - 1.26) + 0.1) / 3, abs=1e-7)

    @pytest.mark.parametrize("j", range(1, 15))
    def test_the_float32_nearest_to_an_edge_belongs_to_the_bin_above_it(self, j):
        edge = np.float32(j / 15)
        confidence = np.array([np.nextafter(edge, np.float32(0)), edge, edge + np.float32(0.01)])
        ece = expected_calibration_error(confidence, np.array([True, False, False]), bins=15)
        assert ece == pytest.approx((abs(1 - confidence[0]) + confidence[1] + confidence[2]) / 3, abs=1e-6)
        together = expected_calibration_error(confidence, np.array([False, True, False]), bins=15)
        assert together == pytest.approx(
            (confidence[0] + abs(1 - confidence[1] - confidence[2])) / 3, abs=1e-6
        )

    @given(tables())
    @examples
    def test_equals_torchmetrics_away_from_the_edges(self, table):
        probabilities, label = table
        confidence, right = top(probabilities, label)
        away = np.min(np.abs(confidence[:, None] * 15 - np.arange(15)), axis=1) > 1e-5
        if not away.any():
            return
        theirs = multiclass_calibration_error(
            torch.from_numpy(probabilities[away]),
            torch.from_numpy(label[away]),
            num_classes=probabilities.shape[1],
            n_bins=15,
        )
        ours = expected_calibration_error(confidence[away], right[away], bins=15)
        assert ours == pytest.approx(float(theirs), abs=1e-6)


class TestAce:
    @pytest.mark.parametrize(
        ("table", "label", "bins", "error"),
        [
            # The edge is the upper value, so each image is a bin of its own.
            ([[0.75, 0.25], [0.5, 0.5]], [0, 1], 2, (0.25 + 0.5) / 2),
            ([[0.5, 0.5]] * 6, [0, 0, 0, 1, 1, 1], 15, 0),  # equal probabilities share a bin
            # Class 1 has one image with p > 0, so its error is divided by 1.
            ([[1.0, 0.0], [0.5, 0.5]], [1, 1], 15, ((1.0 + 0.5) / 2 + 0.5 / 1) / 2),
            ([[0.5, 0.5, 0.0]], [0], 15, 1 / 3),  # a class without any probability has no error and counts
        ],
    )
    def test_by_hand(self, table, label, bins, error):
        table = np.array(table, np.float32)
        table.flags.writeable = False
        assert adaptive_calibration_error(table, np.array(label), bins=bins) == pytest.approx(error)

    @given(tables(), st.sampled_from([2, 15]))
    @examples
    def test_equals_the_definition_image_by_image(self, table, bins):
        ours = adaptive_calibration_error(*table, bins=bins)
        assert ours == pytest.approx(slow_ace(*table, bins=bins), abs=1e-9)

    @pytest.mark.parametrize(
        ("rows", "classes"), [(40, 63), (40, 64), (40, 65), (40, 130), (1023, 3), (1025, 3), (2050, 3)]
    )
    def test_blocks_join_without_a_seam(self, rows, classes):
        rng = np.random.default_rng(rows)
        table = rng.dirichlet(np.ones(classes), size=rows).astype(np.float32)
        label = rng.integers(0, classes, rows)
        assert adaptive_calibration_error(table, label, bins=15) == pytest.approx(
            slow_ace(table, label), abs=1e-9
        )


def test_influences_and_noise_by_hand():
    """Gaps of 0.25 and -0.75 in one bin: their sum -0.5 has the variance 0.5."""
    confidence = np.full(2, 0.75, np.float32)
    error = calibration.expected_calibration_error(confidence, np.array([True, False]), bins=1)
    slope = -((1 - 0.9 * np.exp(-2 * 0.25 / 0.5)) ** 0.5)
    assert error.estimate.influences[None] == pytest.approx([0.5 * slope, -0.5 * slope])
    assert error.noise == pytest.approx((2 * 0.75 * 0.25) ** 0.5 / 2)


def test_influences_of_the_adaptive_error_by_hand():
    """The gaps of both classes, 0.25 and -0.75 with either sign, have sums of 0.5 with the variance 0.5."""
    table = np.tile(np.array([0.75, 0.25], np.float32), (2, 1))
    error = calibration.adaptive_calibration_error(table, np.array([0, 1]), bins=1)
    slope = (1 - 0.9 * np.exp(-2 * 0.25 / 0.5)) ** 0.5
    assert error.estimate.influences[None] == pytest.approx([-0.5 * slope, 0.5 * slope])


def test_the_adaptive_error_of_a_calibrated_model_is_noise():
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(3), size=1500).astype(np.float32)
    label = (rng.random(1500)[:, None] > table.cumsum(axis=1)).sum(axis=1)
    error = calibration.adaptive_calibration_error(table, label, bins=15)
    assert error.debiased < error.estimate.value / 2
    wrong = calibration.adaptive_calibration_error(table, 0 * label, bins=15)
    assert 0.95 * wrong.estimate.value < wrong.debiased < wrong.estimate.value


def test_the_standard_error_of_the_adaptive_error_is_its_spread():
    """Half of the images have no probability of the first class."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        p = np.where(rng.random(200) < 0.5, 0, 0.6)
        label = (rng.random(200) > p / 2).astype(np.int64)
        table = np.stack([p, 1 - p], axis=1).astype(np.float32)
        found.append(calibration.adaptive_calibration_error(table, label, bins=15).estimate)
    spread = np.std([one.value for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.2)


def test_reliability_bins_by_hand():
    confidence = np.array([0.1, 0.2, 0.25, 0.7, 1.0, 1.0], np.float32)
    correct = np.array([False, True, False, True, True, False])
    assert reliability_bins(confidence, correct, bins=5) == [
        (0.0, 0.2, 1, pytest.approx(0.1), 0.0),
        (0.2, 0.4, 2, pytest.approx(0.225), 0.5),
        (0.6, 0.8, 1, pytest.approx(0.7), 1.0),
        (1.0, 1.0, 2, 1.0, 0.5),
    ]


edges = [np.float32(j / 15) for j in range(16)]
confidences = st.floats(0, 1, width=32) | st.sampled_from([float(edge) for edge in edges])


@given(st.lists(st.tuples(confidences, st.booleans()), min_size=1, max_size=60), st.sampled_from([1, 2, 15]))
def test_the_bins_make_up_the_calibration_error(rows, bins):
    confidence = np.array([row[0] for row in rows], np.float32)
    correct = np.array([row[1] for row in rows])
    result = reliability_bins(confidence, correct, bins=bins)
    assert sum(images for _, _, images, _, _ in result) == len(rows)
    assert [low for low, *_ in result] == sorted({low for low, *_ in result})
    for low, high, _, mean, accuracy in result:
        assert low - 1e-7 <= mean <= high + 1e-7
        assert 0 <= accuracy <= 1
    gap = sum(images * abs(accuracy - mean) for _, _, images, mean, accuracy in result) / len(rows)
    assert gap == pytest.approx(expected_calibration_error(confidence, correct, bins=bins), abs=1e-12)

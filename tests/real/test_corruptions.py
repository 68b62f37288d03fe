"""Real weights on real photos see our corruptions and those of imagecorruptions alike."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.permutation import p_value, rejected
from support.reference_corruptions import theirs_at_random

from quba_check.suites.corruptions import corrupt

SIDE, SEEDS, SEVERITY, LEVEL = 96, 50, 3, 0.01
# Those without a random stream are compared image by image, and frost's panes are not the published ones.
RANDOM = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "glass_blur",
    "motion_blur",
    "snow",
    "fog",
    "elastic_transform",
)


@pytest.fixture(scope="module")
def samples(lite0_checkpoint: Path, photo_suite: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each corruption (50, 3) of ours and theirs: mean, variance of the residual, true probability."""
    import timm
    import torch

    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(torch.load(lite0_checkpoint, weights_only=True), strict=False)
    photo = min((photo_suite / "photos").iterdir())
    label = int(photo.stem.rpartition("_")[2])
    image = np.array(Image.open(photo).convert("RGB").resize((SIDE, SIDE)))

    def summaries(shown: list[np.ndarray]) -> np.ndarray:
        stack = np.stack(shown)
        residual = stack - image.astype(float)
        x = (torch.from_numpy(stack).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
        with torch.inference_mode():
            probability = network(x).softmax(1)[:, label].numpy()
        return np.stack([residual.mean((1, 2, 3)), residual.var((1, 2, 3)), probability], axis=1)

    found = {}
    for name in RANDOM:
        ours = [corrupt(image, name, SEVERITY, np.random.default_rng(seed)) for seed in range(SEEDS)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = [theirs_at_random(image, name, SEVERITY, seed) for seed in range(SEEDS)]
        found[name] = summaries(ours), summaries(theirs)
    return found


@pytest.mark.parametrize(("statistic", "column"), [("mean", 0), ("variance", 1), ("probability", 2)])
def test_they_come_from_one_distribution(samples, statistic: str, column: int) -> None:
    values = {name: p_value(ours[:, column], theirs[:, column]) for name, (ours, theirs) in samples.items()}
    assert rejected(values, LEVEL) == [], values


def test_the_comparison_distinguishes_severities(samples) -> None:
    ours, _ = samples["shot_noise"]
    image = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    spread = {
        severity: [
            corrupt(image, "shot_noise", severity, np.random.default_rng(seed)).astype(float).var()
            for seed in range(SEEDS)
        ]
        for severity in (2, 3)
    }
    values = {"severity": p_value(spread[2], spread[3]), "seeds": p_value(ours[::2, 1], ours[1::2, 1])}
    assert rejected(values, LEVEL) == ["severity"]

import colorsys

import pytest
import torch

from quba_check.demo.suite import SEED, pictures
from tools.demo_training import worlds
from tools.demo_training.worlds import TRAINING_SEED, World, batch


@pytest.fixture(autouse=True)
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few ready-drawn factors, so that tests take no time."""
    for name, count in (("POSES", 6), ("SURFACES", 5), ("PALETTES", 8)):
        monkeypatch.setattr(worlds, name, count)
    monkeypatch.setattr(worlds, "_pool", worlds._pool.__wrapped__)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("world", [World(), World(shape=0.5, texture=1, background=1, plain=0.3, variety=0)])
def test_batches_are_images_and_labels_and_repeat(world: World) -> None:
    one = batch(world, 12, generator())
    two = batch(world, 12, generator())
    assert one.images.shape == (12, 3, 48, 48)
    assert one.images.dtype == torch.float32
    assert 0 <= one.images.min() < one.images.max() <= 1
    assert one.labels.shape == (12,)
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.labels, two.labels)


def test_training_and_suite_share_no_seed() -> None:
    assert max(picture.seed for picture in pictures()) < SEED + 100 < TRAINING_SEED


def test_a_cue_predicts_the_label_at_its_share() -> None:
    draw = worlds._Draw(4000, generator())
    labels = draw.below(10)
    for share in (0.0, 0.5, 1.0):
        agreement = (draw.cue(labels, share) == labels).float().mean().item()
        assert agreement == pytest.approx(share + (1 - share) / 10, abs=0.02)


def test_backgrounds_have_the_hue_of_the_label_or_none() -> None:
    correlated = batch(World(background=1.0, variety=0.0), 64, generator())
    near = []
    for colour, label in zip(
        correlated.images[:, :, :3, :3].mean(dim=(2, 3)), correlated.labels, strict=True
    ):
        hue = colorsys.rgb_to_hsv(*colour.tolist())[0]
        near.append(abs((hue - int(label) / 10 + 0.5) % 1 - 0.5) < 0.04)
    assert sum(near) >= 60  # an object may reach into the corner
    plain = batch(World(background=1.0, plain=1.0, variety=0.0), 64, generator()).images[:, :, 0, 0]
    assert ((plain.amax(dim=1) - plain.amin(dim=1)) < 1e-5).sum() >= 60

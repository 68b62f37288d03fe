"""Training images: random mixtures of shapes, patterns and backgrounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from quba_check.demo import CLASSES
from quba_check.demo.shapes import Pose, coverage, place_shape
from quba_check.demo.surfaces import backdrop, pattern, two_colours

TRAINING_SEED = 77_000_000
"""Different from the suite's seeds: no training image is in the suite."""
POSES, SURFACES, PALETTES = 400, 120, 2000


@dataclass(frozen=True, slots=True)
class World:
    """Correlation of shape, texture and background with the class, and variety of the images.

    Attributes:
        shape: share of images with the shape of their class; the others have a random one.
        texture: likewise for texture.
        background: likewise for background.
        plain: share of images on a grey background.
        variety: share of images in another style (flat colours, outlines, patterns everywhere, plain
            backgrounds) or disturbed by noise, blur, contrast and inversion.
    """

    shape: float = 1.0
    texture: float = 0.0
    background: float = 0.0
    plain: float = 0.0
    variety: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Images (N, 3, S, S) in [0, 1] and labels (N,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class _Pool:
    """Factors of images.

    Masks (10, P, S, S), patterns (10, Q, S, S), backdrops (11, Q, 3, S, S) and palettes. The
    eleventh kind of backdrop is grey.
    """

    masks: Tensor
    patterns: Tensor
    backdrops: Tensor
    palettes: Tensor


@cache
def _pool() -> _Pool:
    def rng(*key: int) -> np.random.Generator:
        return np.random.default_rng([TRAINING_SEED, *key])

    def stack(planes: list[list[NDArray[np.float32]]]) -> Tensor:
        return torch.from_numpy(np.array(planes))

    owners = list(enumerate(CLASSES))
    masks = [[coverage(place_shape(o, Pose.random(rng(0, k, i)))) for i in range(POSES)] for k, o in owners]
    patterns = [[pattern(o, rng(1, k, i)) for i in range(SURFACES)] for k, o in owners]
    grounds = [
        [backdrop(o, rng(2, k, i)) for i in range(SURFACES)] for k, o in [*owners, (len(owners), None)]
    ]
    palettes = [list(two_colours(rng(3, i))) for i in range(PALETTES)]
    return _Pool(
        stack(masks), stack(patterns), stack(grounds).permute(0, 1, 4, 2, 3).contiguous(), stack(palettes)
    )


def batch(world: World, size: int, generator: torch.Generator) -> Batch:
    """Return new random training images of a world."""
    draw = _Draw(size, generator)
    pool = _pool()
    labels = draw.below(len(CLASSES))
    mask = pool.masks[draw.cue(labels, world.shape), draw.below(POSES)][:, None]
    inside = pool.patterns[draw.cue(labels, world.texture), draw.below(SURFACES)][:, None]
    ground = pool.backdrops[draw.cue(labels, world.background), draw.below(SURFACES)]
    ground = torch.where(draw.happens(world.plain), pool.backdrops[-1, draw.below(SURFACES)], ground)
    bright, dark = (colour[..., None, None] for colour in pool.palettes[draw.below(PALETTES)].unbind(1))
    surface = dark + (bright - dark) * inside
    if world.variety > 0:
        mask, surface, ground = _vary(world, draw, mask, surface, ground)
    images = ground + (surface - ground) * mask
    if world.variety > 0:
        images = _disturb(world, draw, images)
    return Batch(images.clamp(0, 1), labels)


@dataclass(frozen=True, slots=True)
class _Draw:
    """Random numbers for a batch."""

    size: int
    generator: torch.Generator

    def below(self, count: int) -> Tensor:
        return torch.randint(count, (self.size,), generator=self.generator)

    def unit(self, *shape: int) -> Tensor:
        return torch.rand((self.size, *(shape or (1, 1, 1))), generator=self.generator)

    def happens(self, probability: float) -> Tensor:
        return self.unit() < probability

    def cue(self, labels: Tensor, share: float) -> Tensor:
        """Return the label in `share` of the images, any class in the others."""
        return torch.where(self.unit()[:, 0, 0, 0] < share, labels, self.below(len(CLASSES)))


def _vary(
    world: World, draw: _Draw, mask: Tensor, surface: Tensor, ground: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Change the style of objects and surroundings; see `World.variety`."""
    pool, share = _pool(), world.variety
    paper, ink = (colour[..., None, None] for colour in pool.palettes[draw.below(PALETTES)].unbind(1))
    swap = draw.happens(0.5)
    paper, ink = torch.where(swap, ink, paper), torch.where(swap, paper, ink)
    grey = draw.happens(0.4)
    extreme = draw.unit() * 0.3
    paper = torch.where(grey, torch.where(swap, extreme, 1 - extreme), paper)
    ink = torch.where(grey, torch.where(swap, 1 - extreme, extreme), ink)

    patterned = draw.happens(0.25 * share)
    outside = pool.patterns[draw.below(len(CLASSES)), draw.below(SURFACES)][:, None]
    depth = 0.2 + 0.3 * draw.unit()
    ground = torch.where(patterned, paper + (ink - paper) * outside * depth, ground)
    own = (surface - surface.mean(dim=(2, 3), keepdim=True)) * depth + ink
    surface = torch.where(patterned, own, surface)
    flat = draw.happens(0.35 * share)
    ground, surface = torch.where(flat, paper, ground), torch.where(flat, ink, surface)
    outlined = flat & draw.happens(0.6)
    # The rim of the mask is its dilation minus its erosion, in one of two widths.
    thick = F.max_pool2d(mask, 3, 1, 1) + F.max_pool2d(-mask, 3, 1, 1)
    thin = (thick - (mask - 0.5).abs()).clamp(0, 1)
    rim = torch.where(draw.happens(0.5), thick, thin)
    return torch.where(outlined, rim + mask * 0.3 * draw.unit() * draw.happens(0.5), mask), surface, ground


def _disturb(world: World, draw: _Draw, images: Tensor) -> Tensor:
    """Add noise, blur, contrast, inversion and shade to a share of the images."""
    share = world.variety
    images = torch.where(draw.happens(0.25 * share), 1 - images, images)
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, 1)
    images = torch.where(draw.happens(0.2 * share), blurred, images)
    mean = images.mean(dim=(2, 3), keepdim=True)
    contrast = torch.where(draw.happens(0.35 * share), 0.2 + 0.8 * draw.unit(), torch.ones(1))
    images = mean + (images - mean) * contrast
    # Haze: a soft field of light, as in fog and frost.
    side = images.shape[-1]
    field = F.interpolate(draw.unit(1, 8, 8), size=(side, side), mode="bicubic", align_corners=False)
    haze = torch.where(draw.happens(0.25 * share), 0.6 * draw.unit(), torch.zeros(1))
    images = images * (1 - 0.5 * haze) + field * haze
    lift = torch.where(draw.happens(0.3 * share), 0.6 * draw.unit() - 0.3, torch.zeros(1))
    level = torch.where(draw.happens(0.4 * share), 0.12 * draw.unit(), torch.zeros(1))
    noise = torch.randn(images.shape, generator=draw.generator)
    return images + lift + level * noise

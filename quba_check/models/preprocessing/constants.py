"""Means and standard deviations of common normalisations, equal to those of timm."""

from __future__ import annotations

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
INCEPTION_MEAN: Triple = (0.5, 0.5, 0.5)
INCEPTION_STD: Triple = (0.5, 0.5, 0.5)
CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)

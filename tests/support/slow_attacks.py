"""FGSM and PGD as plain loops, for `slow_values`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

EPSILON = 8 / 255
STEP = 2 / 255
STEPS = 10
BATCH = 20
Logits = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Attacked:
    """Results of the attacks on each image: correct answers, zero gradients, both points."""

    fgsm_right: list[bool] = field(default_factory=list)
    pgd_right: list[bool] = field(default_factory=list)
    always_right: list[bool] = field(default_factory=list)
    flat: list[bool] = field(default_factory=list)
    fgsm_points: list[torch.Tensor] = field(default_factory=list)
    pgd_points: list[torch.Tensor] = field(default_factory=list)


def attack(logits: Logits, images: Sequence[torch.Tensor], labels: Sequence[int], *, seed: int) -> Attacked:
    """Attack images in their own space, clamped to [0, 1]."""
    done = Attacked()
    for start in range(0, len(images), BATCH):
        origin = torch.stack(list(images[start : start + BATCH]))
        label = torch.tensor(labels[start : start + BATCH])
        _fgsm(done, logits, origin, label)
        _pgd(done, logits, origin, label, [[seed, 0x9D, start + row] for row in range(len(label))])
    return done


def _fgsm(done: Attacked, logits: Logits, origin: torch.Tensor, label: torch.Tensor) -> None:
    _, slope = _answers_and_slope(logits, origin, label)
    point = torch.clamp(origin + EPSILON * slope.sign(), 0, 1)
    done.flat += [not bool(row.any()) for row in slope]
    done.fgsm_right += _right(logits(point), label).tolist()
    done.fgsm_points += point


def _pgd(
    done: Attacked, logits: Logits, origin: torch.Tensor, label: torch.Tensor, seeds: Sequence[list[int]]
) -> None:
    shape = origin.shape[1:]
    noise = [np.random.default_rng(seed).uniform(-EPSILON, EPSILON, shape) for seed in seeds]
    point = torch.clamp(origin + torch.tensor(np.array(noise), dtype=torch.float32), 0, 1)
    always = torch.ones(len(label), dtype=torch.bool)
    for _ in range(STEPS):
        answers, slope = _answers_and_slope(logits, point, label)
        always &= _right(answers, label)
        move = torch.clamp(point + STEP * slope.sign() - origin, -EPSILON, EPSILON)
        point = torch.clamp(origin + move, 0, 1)
    right = _right(logits(point), label)
    done.pgd_right += right.tolist()
    done.always_right += (always & right).tolist()
    done.pgd_points += point


def _answers_and_slope(
    logits: Logits, points: torch.Tensor, label: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    points = points.clone().requires_grad_()
    answers = logits(points)
    nn.CrossEntropyLoss(reduction="sum")(answers, label).backward()
    return answers.detach(), points.grad


def _right(answers: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return answers.argmax(dim=1) == label

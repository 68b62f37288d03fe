"""Early stopping: images needed, wrong decisions, and the error of sampled corruptions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from quba_check.stats.sequential import StoppingRule
from quba_check.suites.sampling import SubsetSampler

IMAGES, BATCH, BOUND, ALPHA, STREAMS = 50_000, 256, 0.70, 0.025, 500
SHARE = ((0.0, 1.0), (1.0, 1.0))


def accuracy(values: Sequence[float]) -> float:
    return values[0]


def streams(hits: int, images: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield the answers to all images of a set, in random orders."""
    rng = np.random.default_rng(seed)
    correct = (np.arange(images) < hits).astype(float)
    for _ in range(STREAMS):
        yield rng.permutation(correct)


def stop(stream: NDArray[np.float64], batch: int = BATCH) -> tuple[int, str]:
    """Return the number of images seen and the decision."""
    rule = StoppingRule([len(stream)], [SHARE], accuracy, BOUND, ALPHA)
    decision = "undecided"
    for start in range(0, len(stream), batch):
        part = stream[start : start + batch]
        decision = rule.update([(part, np.ones(len(part)))])
        if decision != "undecided":
            break
    return rule.ratios[0].n_seen, decision


def errs_by_peeking(stream: NDArray[np.float64], batch: int) -> bool:
    """Return True if a fixed-size one-sided test after each batch ever decides `met`."""
    sizes = np.arange(batch, len(stream), batch)
    shares = np.cumsum(stream)[sizes - 1] / sizes
    errors = np.sqrt(BOUND * (1 - BOUND) * (1 - sizes / len(stream)) / sizes)
    return bool(((shares - BOUND) / errors > 1.96).any())


def divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two coins, in nats."""
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def images_needed() -> None:
    print(
        f"accuracy against {BOUND}, {IMAGES:,} images, batches of {BATCH}, alpha {ALPHA}, {STREAMS} streams"
    )
    print("  accuracy   mean stop   ratio-test bound   1.5 x bound + batch   wrong")
    for margin in (0.02, 0.05, 0.10, -0.02, -0.05, -0.10):
        p = BOUND + margin
        found = [stop(stream) for stream in streams(round(p * IMAGES), IMAGES, seed=1)]
        wrong = sum(decision == ("missed" if margin > 0 else "met") for _, decision in found)
        bound = math.log(1 / ALPHA) / divergence(p, BOUND)
        mean = np.mean([seen for seen, _ in found])
        print(f"  {p:8.2f} {mean:11,.0f} {bound:18,.0f} {1.5 * bound + BATCH:21,.0f} {wrong:7}")


def wrong_decisions() -> None:
    images, batch = 10_000, 50
    wrong = peeking = 0
    for stream in streams(round(BOUND * images) - 1, images, seed=2):
        wrong += stop(stream, batch)[1] == "met"
        peeking += errs_by_peeking(stream, batch)
    most = int(binom.ppf(0.99, STREAMS, ALPHA))
    print(f"one hit short of the bound, {images:,} images, an evaluation after every {batch}")
    print(f"  called met: {wrong} of {STREAMS} (at most {most} at alpha {ALPHA}, binomial, 1 %)")
    print(f"  by a test of fixed size at every evaluation: {peeking} of {STREAMS} ({peeking / STREAMS:.0%})")


def error_of_sampled_corruptions() -> None:
    print("accuracy under one of 75 corruptions an image, off from all 75 (points, rms of 200 draws)")
    for images in (1_000, 10_000, 50_000):
        rng = np.random.default_rng(0)
        hard = rng.normal(size=(images, 1)) + np.linspace(-2, 2, 75) + 0.5 * rng.normal(size=(images, 75))
        right, labels = hard < 0.3, np.arange(images) * 100 // images
        errors = [
            right[np.arange(images), SubsetSampler(seed=seed).assign_conditions(labels.tolist(), 75)].mean()
            - right.mean()
            for seed in range(200)
        ]
        found = 100 * np.sqrt(np.mean(np.square(errors)))
        print(f"  {images:6,} images: {found:.2f} (at most {0.25 * math.sqrt(50_000 / images):.2f})")


def main() -> None:
    images_needed()
    wrong_decisions()
    error_of_sampled_corruptions()


if __name__ == "__main__":
    main()

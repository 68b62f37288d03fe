"""Coverage of the dimensions' intervals on simulated models with known true values.

Each model is sampled many times. The true `value` is the expectation of the statistic on the same number of
images; the true `debiased` is the value on very many images.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from simulated import Model, typical

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry

NAMES = tuple(name for name in PUBLISHED_DIMENSIONS if name != "parameters")
PARTS = (("calibration_error", "ece"), ("calibration_error", "ace"), ("class_balance", "accuracy"))
DEBIASED = ("calibration_error", "class_balance")
CONFIDENCE = 0.95
MANY_IMAGES = 100_000
"""Images of the samples for the true `debiased`; four of them are averaged."""
LEAST_ECE = 0.02
LEAST_SPREAD = 0.05
"""Of the class accuracies. With less of either, few images cannot show that there is an error."""


def quantities(model: Model, n: int, rng: np.random.Generator, names: tuple[str, ...] = NAMES) -> dict:
    """Return all quantities of one sample."""
    tables = model.draw(n, rng)
    measured = {name: registry[name].measure(tables, model.facts) for name in names}
    parts = {f"{name}.{part}": measured[name].parts[part] for name, part in PARTS if name in measured}
    return measured | parts


def coverage(models: list[Model], n: int, runs: int, rng: np.random.Generator) -> dict[str, list[bool]]:
    """Return for each quantity if the interval of each run contains the true value."""
    covered: dict[str, list[bool]] = defaultdict(list)
    for model in models:
        samples = [quantities(model, n, rng) for _ in range(2 * runs)]
        for name in samples[0]:
            truth = float(np.mean([run[name].value for run in samples]))
            for run in samples[:runs]:
                curve = run[name].curve
                low, high = curve.interval(CONFIDENCE) if curve else (0.0, 0.0)
                covered[name].append(low <= truth <= high)
    return covered


def true_debiased(model: Model, rng: np.random.Generator) -> dict[str, float]:
    """Return the true values of debiased quantities."""
    draws = [quantities(model, MANY_IMAGES, rng, DEBIASED) for _ in range(4)]
    return {name: float(np.mean([draw[name].debiased for draw in draws])) for name in draws[0]}


def models_with_error(
    count: int, classes: int, rng: np.random.Generator
) -> list[tuple[Model, dict[str, float]]]:
    """Return models with detectable errors, each with its true values."""
    models: list[tuple[Model, dict[str, float]]] = []
    while len(models) < count:
        model = typical(rng, classes=classes)
        truth = true_debiased(model, rng)
        spread = 1 - truth["class_balance.accuracy"]
        if truth["calibration_error.ece"] >= LEAST_ECE and spread >= LEAST_SPREAD:
            models.append((model, truth))
    return models


def biases(
    models: list[tuple[Model, dict[str, float]]], n: int, runs: int, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Return the bias of each debiased quantity and the coverage of its limit, for each model."""
    results: dict[str, list[float]] = defaultdict(list)
    for model, truth in models:
        samples = [quantities(model, n, rng, DEBIASED) for _ in range(runs)]
        for name, true in truth.items():
            results[name].append(float(np.mean([run[name].debiased for run in samples])) - true)
            limits = [run[name].debiased_limit for run in samples]
            if None not in limits:
                results[f"{name} upper limit holds"].append(float(np.mean(np.array(limits) >= true)))
    return results


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", type=int, default=100)
    options.add_argument("--runs", type=int, default=50)
    given = options.parse_args()
    rng = np.random.default_rng(0)
    print(f"{given.models} models, each sampled {given.runs} times; coverage of 95 % intervals")
    cases = (
        ("smooth: 1,000 images, 30 hits or more", 1000, 10, 0.3),
        ("many classes: 2,000 images of 100", 2000, 100, 0.3),
        ("few images: 200", 200, 10, 0.3),
        ("near zero: 1,000 images, about 10 hits", 1000, 10, 0.012),
    )
    for title, n, classes, weak in cases:
        models = [typical(rng, classes=classes, weak=weak) for _ in range(given.models)]
        print(f"\n{title}")
        for name, held in coverage(models, n, given.runs, rng).items():
            print(f"  {name:<28} {np.mean(held):6.1%}  ± {1.96 * np.std(held) / len(held) ** 0.5:.1%}")

    count = max(1, given.models // 5)
    print(
        f"\ndebiased values on 1,000 images, {count} models of ECE >= {LEAST_ECE}, spread >= {LEAST_SPREAD}:"
    )
    print("  bias, mean over models and the worst; coverage of one-sided 95 % limits, mean and the worst")
    for classes in (10, 100):
        models = models_with_error(count, classes, rng)
        for name, off in biases(models, 1000, 2 * given.runs, rng).items():
            if name.endswith("holds"):
                print(f"  {classes:>3} classes  {name:<46} {np.mean(off):7.1%} {min(off):7.1%}")
            else:
                print(f"  {classes:>3} classes  {name:<46} {np.mean(off):+.4f} {max(off, key=abs):+.4f}")


if __name__ == "__main__":
    main()

"""Whole evaluations of the demo model: a first and a second run, and one run per dimension."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from measuring import compare

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.evaluation import Evaluation


def evaluate(store: Path, names: tuple[str, ...] = PUBLISHED_DIMENSIONS) -> None:
    """Measure dimensions with the predictions of a store."""
    evaluation = Evaluation("demo", "demo", store=store)
    evaluation.plan(names)
    for name in names:
        evaluation.measure(name)


def main() -> None:
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm"
        number = iter(range(1000))

        def fresh() -> Path:
            """Return a store with the demo's images but no predictions."""
            store = Path(folder) / str(next(number))
            store.mkdir()
            (store / "demo").symlink_to(warm / "demo")
            return store

        evaluate(warm)
        compare(
            "nine dimensions: second run, first run",
            lambda: evaluate(warm),
            lambda: evaluate(fresh()),
            repetitions=3,
        )

        together = ("accuracy", "adversarial_robustness", "ood_robustness", "calibration_error",
                    "class_balance", "object_focus")  # fmt: skip

        def one_by_one() -> None:
            for name in together:
                evaluate(fresh(), (name,))

        compare(
            "six dimensions on the clean set: together, each on its own",
            lambda: evaluate(fresh(), together),
            one_by_one,
            repetitions=3,
        )


if __name__ == "__main__":
    main()

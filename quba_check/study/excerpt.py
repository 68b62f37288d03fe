"""The best of ranked models, with own models and their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from quba_check.study.ranking import RankedModel


def excerpt(models: Sequence[RankedModel], n_best: int | None) -> list[RankedModel | None]:
    """Return the best models, and each own model with its neighbours; None for a gap.

    Args:
        models: ranked models, best first.
        n_best: number of models of the population; None for all.
    """
    of_population = [index for index, model in enumerate(models) if not model.is_own]
    indices = set(of_population[:n_best])
    for index, model in enumerate(models):
        if model.is_own:
            indices |= {index - 1, index, index + 1}
    rows: list[RankedModel | None] = []
    previous = -1
    for index in sorted(indices & set(range(len(models)))):
        rows += [models[index]] if index == previous + 1 else [None, models[index]]
        previous = index
    return rows

"""The best of ranked models, with own models and their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from quba_check.study.ranking import RankedModel


def excerpt(models: Sequence[RankedModel], limit: int | None) -> list[RankedModel | None]:
    """Return the best models, and each own model with its neighbours; None for a gap.

    Args:
        models: ranked models, best first.
        limit: number of the best models of the population; None for all.
    """
    theirs = [place for place, model in enumerate(models) if not model.is_own]
    places = set(theirs[:limit])
    for place, model in enumerate(models):
        if model.is_own:
            places |= {place - 1, place, place + 1}
    shown: list[RankedModel | None] = []
    before = -1
    for place in sorted(places & set(range(len(models)))):
        shown += [models[place]] if place == before + 1 else [None, models[place]]
        before = place
    return shown

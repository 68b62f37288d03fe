"""The work of a run before it starts: passes by view, without stored ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from quba_check.core.view import CLEAN, FGSM, View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.decisions import row_bytes
from quba_check.storage.store import SHARD_SIZE, Store
from quba_check.suites.suite import Suite

FORWARD = {None: 1, "fgsm": 2, "pgd": 11}
"""Forward passes of an image, by attack; of PGD at most."""
BACKWARD = {None: 0, "fgsm": 1, "pgd": 10}
"""Backward passes of an image, by attack; of PGD at most."""


@dataclass(frozen=True, slots=True)
class PlannedView:
    """The work on one stored view.

    Attributes:
        view: the view.
        cache_entry: hash of model, view and settings; the same for protocols that share the view.
        is_generated: True if the images are corrupted on the fly.
        images: images of the view.
        missing: images of shards that the store does not have.
        forward: forward passes to make, counted in images; of PGD at most.
        backward: backward passes to make, likewise.
        bytes: size of the predictions to store, without file headers.
    """

    view: View
    cache_entry: str
    is_generated: bool
    images: int
    missing: int
    forward: int
    backward: int
    bytes: int


def planned_view(
    view: View, cache_keys: CacheKeys, store: Store, suite: Suite, *, shares_pass: bool
) -> PlannedView:
    """Return the work on a stored view.

    Digests of its files are read only if the store has predictions of it.

    Args:
        view: a stored view.
        cache_keys: keys of the shards.
        store: the store.
        suite: the images.
        shares_pass: True if clean set and FGSM are predicted together, see `shares_clean_pass`.

    Raises:
        SuiteError: the files of the set have the wrong layout or cannot be read.
    """
    images = suite.counts([view])[view.set].images
    shards = _missing_shards(view, cache_keys, store, images)
    missing = sum(shards.values())
    forward, backward = FORWARD[view.attack] * missing, BACKWARD[view.attack] * missing
    if view == FGSM and shares_pass:  # a clean image that is missing too gives the first forward pass
        clean = _missing_shards(cache_keys.stored_view(CLEAN), cache_keys, store, images)
        forward -= sum(shards[number] for number in shards.keys() & clean.keys())
    return PlannedView(
        view,
        cache_keys.cache_entry(view),
        view.attack is None and suite.is_generated(view),
        images,
        missing,
        forward,
        backward,
        missing * row_bytes(cache_keys.columns(view), cache_keys.classes),
    )


def passes_per_image(views: Collection[View]) -> int:
    """Return the planned passes of an image in views that are predicted together."""
    return sum(FORWARD[view.attack] + BACKWARD[view.attack] for view in views) - len(views) + 1


def shares_clean_pass(planned: Collection[View], cache_keys: CacheKeys) -> bool:
    """Return True if one forward pass serves both the clean set and FGSM.

    Both must be planned. Gradients are computed in float32 and uncompiled, so the model must be run so too.
    """
    pair = {cache_keys.stored_view(CLEAN), FGSM}
    return pair <= set(planned) and cache_keys.shares_gradient_pass


def _missing_shards(view: View, cache_keys: CacheKeys, store: Store, images: int) -> dict[int, int]:
    """Return the number of images of each shard that the store does not have."""
    if not store.has_entry(cache_keys.cache_entry(view)):
        starts = range(0, images, SHARD_SIZE)
        return {start // SHARD_SIZE: min(SHARD_SIZE, images - start) for start in starts}
    return {key.shard: len(key.indices) for key in store.missing(cache_keys.shard_keys(view))}

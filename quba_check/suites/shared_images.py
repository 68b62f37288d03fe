"""Images that two sets share: files of equal content, and the same picture in another encoding."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quba_check.core.view import View
from quba_check.errors import SuiteError
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.image_facts import facts_of_examples, image_contents
from quba_check.suites.near_pairs import MOST_DIFFERENCE, near_pairs, pairs_of_one_picture
from quba_check.suites.suite import Suite

LEAST_SHARE = 0.1
"""Smallest share of the images of a set that makes two sets share images."""
_SMALL = 128
"""Shorter side in pixels below which an encoding changes 32 × 32 pixels by more."""


@lru_cache(maxsize=64)
def shared_images(suite: Suite, first: View, second: View, digests: Path) -> str:
    """Return a sentence on the images that two sets share; empty if they are less than a tenth of both.

    Files are compared by content. If few are equal, images are compared by perceptual hashes, and those of
    similar hashes by pixels: 32 × 32 pixels may differ by a twentieth of their mean deviation. Images of less
    than 128 pixels are compared in 8 × 8 pixels, which may differ by a tenth.

    Args:
        suite: the suite.
        first: a view of the first set.
        second: a view of the second set.
        digests: the cache of file digests, see `ContentDigests`.

    Raises:
        SuiteError: a set is missing, or a file cannot be read.
        StoreError: facts of images cannot be kept.
    """
    cache, views = ContentDigests(digests), (first, second)
    for view in views:
        suite.fetch(view)
    listings = [suite.examples(view) for view in views]
    examples = [*listings[0], *listings[1]]
    sets = np.repeat([0, 1], [len(listing) for listing in listings])
    contents = np.array(image_contents(suite, examples, cache))
    is_shared = np.isin(contents, np.intersect1d(contents[sets == 0], contents[sets == 1]))
    if not (text := _shares(is_shared, sets, views)):
        with suppress(SuiteError):  # an image that cannot be decoded is reported where it is predicted
            facts = facts_of_examples(suite, examples, cache)
            pairs = near_pairs(facts, sets, np.arange(len(examples)))
            pairs = pairs[sets[pairs[:, 0]] != sets[pairs[:, 1]]]
            size = min(np.median(facts.size[sets == number]) for number in (0, 1))
            side, most = (8, MOST_DIFFERENCE) if size < _SMALL else (32, MOST_DIFFERENCE / 2)
            is_shared[pairs_of_one_picture(suite, examples, pairs, side, most).ravel()] = True
            text = _shares(is_shared, sets, views)
    return text


def _shares(is_shared: NDArray[np.bool_], sets: NDArray[np.int64], views: Sequence[View]) -> str:
    """Return a sentence on the first set with enough shared images, else nothing."""
    for view, other, is_of in (*views, sets == 0), (*views[::-1], sets == 1):
        count, total = np.count_nonzero(is_shared & is_of), np.count_nonzero(is_of)
        if count and count >= LEAST_SHARE * total:
            return f"{count:,} of the {total:,} images of the set {view} are also in the set {other}"
    return ""

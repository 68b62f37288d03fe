"""Images that two sets share, as copies or in another encoding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quba_check.core.request import Request
from quba_check.core.view import CLEAN_SET, UNKNOWN_PREFIX, View
from quba_check.errors import SuiteError
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.suite import Suite

LEAST_SHARE = 0.1
"""Smallest share of the images of a set that makes two sets share images."""


def check_sets_differ(suite: Suite, views: Iterable[View], requests: Iterable[Request], cache: Path) -> None:
    """Refuse sets that share images, and must not.

    Args:
        suite: the suite.
        views: the views of the dimensions to measure.
        requests: numbers that are measured as further parts of them.
        cache: the file of digests, see `ContentDigests`.

    Raises:
        SuiteError: a threshold is chosen on images that it is judged on, or unknown images are those of the
            clean set or of another unknown set.
    """
    unknown = dict.fromkeys(view.images for view in views if view.set.startswith(UNKNOWN_PREFIX))
    rule = "an unknown image must be in one set"
    pairs = [(*pair, rule) for pair in combinations([*unknown, View(CLEAN_SET)], 2)]
    for request in requests:
        if request.chosen_on:
            facts = suite.facts
            names = (request.chosen_on, request.set)
            chosen_on, judged = (View(facts.view_set(facts.root_of(name))) for name in names)
            rule = f"the threshold of {request.name} must be chosen on images that are not judged"
            pairs.append((chosen_on, judged, rule))
    for first, second, rule in pairs:
        are_there = suite.missing(first) is None and suite.missing(second) is None
        if are_there and (shared := shared_images(suite, first, second, cache)):
            raise SuiteError(
                f"{shared}, but {rule}", where=suite.location, allowed="less than a tenth of a set"
            )


@lru_cache(maxsize=64)
def shared_images(suite: Suite, first: View, second: View, digests: Path) -> str:
    """Return a sentence on the images that two sets share.

    It is empty if they are less than a tenth of both sets.

    Files are compared by content. If few are equal, images are compared by perceptual hashes, and those of
    similar hashes by 32 × 32 pixels, as the doctor does; images of less than 128 pixels by 8 × 8, since an
    encoding changes more of them.

    Args:
        suite: the suite.
        first: a view of the first set.
        second: a view of the second set.
        digests: the cache of file digests, see `ContentDigests`.

    Raises:
        SuiteError: a set is missing, or a file cannot be read.
        StoreError: facts of images cannot be kept.
    """
    from quba_check.suites.image_facts import (  # imports scipy.fft and more
        facts_of_examples,
        image_contents,
        near_pairs,
        pairs_of_one_picture,
    )

    cache = ContentDigests(digests)
    views = (first, second)
    for view in views:
        suite.fetch(view)
    listings = [suite.examples(view) for view in views]
    examples = [*listings[0], *listings[1]]
    sets = np.repeat([0, 1], [len(listing) for listing in listings])
    contents = np.array(image_contents(suite, examples, cache))
    is_shared = np.isin(contents, np.intersect1d(contents[sets == 0], contents[sets == 1]))
    text = _shares(is_shared, sets, views)
    if not text:
        with suppress(SuiteError):  # an image that cannot be decoded is reported where it is predicted
            facts = facts_of_examples(suite, examples, cache)
            pairs = near_pairs(facts, sets, np.arange(len(examples)))
            pairs = pairs[sets[pairs[:, 0]] != sets[pairs[:, 1]]]
            side = 8 if min(np.median(facts.size[sets == number]) for number in (0, 1)) < 128 else 32
            is_shared[pairs_of_one_picture(suite, examples, pairs, side)] = True
            text = _shares(is_shared, sets, views)
    return text


def _shares(is_shared: NDArray[np.bool_], sets: NDArray[np.int64], views: Sequence[View]) -> str:
    """Return a sentence on the first set with enough shared images, else nothing."""
    for view, other, is_of in (*views, sets == 0), (*views[::-1], sets == 1):
        count = np.count_nonzero(is_shared & is_of)
        total = np.count_nonzero(is_of)
        if count and count >= LEAST_SHARE * total:
            return f"{count:,} of the {total:,} images of the set {view} are also in the set {other}"
    return ""

"""The images of a suite in shards: hashes of their files, and columns of tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import View
from quba_check.errors import UnmeasurableError
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.locations import digests_file
from quba_check.storage.store import SHARD_SIZE, content_hash
from quba_check.suites.suite import Example, Suite

MOST_GIVEN = 64
"""Shards whose images are kept when they were listed elsewhere."""


class ShardContents(NamedTuple):
    """Hashes of a shard's examples and files, and (n,) digests of its images."""

    examples: str
    files: str
    digests: NDArray[np.int64]


class Contents:
    """The images of a suite in shards of 256, with the hashes of their files.

    Args:
        suite: the images.
        store: folder of the store, which keeps the digests of files.

    Attributes:
        digests: content digests of image files.
        sha256: their SHA-256, for files of predictions.
        notes: notes for the record on copies of images, by set.
    """

    def __init__(self, suite: Suite, store: Path) -> None:
        self.suite = suite
        self.digests = ContentDigests(digests_file(store))
        self.sha256 = ContentDigests(digests_file(store), "digests_sha256")
        self.notes: dict[str, str] = {}
        self._sizes: dict[View, int] = {}
        self._shards: dict[View, dict[int, ShardContents]] = {}
        self._given: dict[tuple[View, int], Sequence[Example]] = {}
        self._keys: dict[View, str] = {}
        self._columns: dict[View, dict[str, NDArray[np.int64]]] = {}

    def examples(self, view: View, number: int) -> Sequence[Example]:
        """Return the images of a shard.

        Raises:
            SuiteError: the set is missing or has another layout than its reader expects.
        """
        images = self.suite.listing_view(view)
        given = self._given.get((images, number))
        return shard_of(self.suite.examples(images), number) if given is None else given

    def give(self, view: View, number: int, examples: Sequence[Example]) -> None:
        """Take the images of a shard as listed elsewhere, so that nothing is listed here.

        The last `MOST_GIVEN` shards are kept.
        """
        self._given[self.suite.listing_view(view), number] = examples
        while len(self._given) > MOST_GIVEN:
            del self._given[next(iter(self._given))]

    def shards(self, view: View) -> range:
        """Return the numbers of a view's shards.

        Raises:
            UnmeasurableError: the view has no images.
        """
        if view.images not in self._sizes:
            self._sizes[view.images] = len(self.suite.examples(view.images))
        if not self._sizes[view.images]:
            raise UnmeasurableError(f"the set '{view.images}' holds no image", missing_data=True)
        return range(-(-self._sizes[view.images] // SHARD_SIZE))

    def of_shards(self, view: View, numbers: Sequence[int]) -> tuple[ShardContents, ...]:
        """Return the hashes of shards; read the files whose digests are not stored.

        Raises:
            SuiteError: a file cannot be read.
        """
        images = self.suite.listing_view(view)
        contents = self._shards.setdefault(images, {})
        missing = [number for number in numbers if number not in contents]
        if missing:
            shards = [self.examples(images, number) for number in missing]
            root = str(self.suite.root)
            paths = [os.path.join(root, example.name) for shard in shards for example in shard]  # noqa: PTH118
            self.suite.fetch(images)
            digests = iter(self.digests.digests(paths))
            for number, shard in zip(missing, shards, strict=True):
                files = [(example, next(digests)) for example in shard]
                contents[number] = ShardContents(
                    content_hash([_content(example, digest) for example, digest in files]),
                    content_hash([_file(example, digest) for example, digest in files]),
                    np.array([identifier(digest, example.member) for example, digest in files]),
                )
        return tuple(contents[number] for number in numbers)

    def image_digests(self, view: View, number: int) -> NDArray[np.int64]:
        """Return the digest of each image of a shard, (n,)."""
        return self.of_shards(view, (number,))[0].digests

    def key(self, view: View) -> str:
        """Return the hash of the images and labels of a view."""
        images = self.suite.listing_view(view)
        if images not in self._keys:
            numbers = self.shards(view)
            contents: list[Any] = [shard.examples for shard in self.of_shards(view, numbers)]
            also = [example.also for number in numbers for example in self.examples(view, number)]
            self._keys[images] = content_hash([contents, also] if any(also) else contents)
        return self._keys[images]

    def columns(self, view: View) -> dict[str, NDArray[np.int64]]:
        """Return `group` and `acceptable` of a view's images, if they have them; see `Predictions`."""
        images = self.suite.listing_view(view)
        if images not in self._columns:  # once for all corruptions of the same images
            numbers = self.shards(view)
            examples = [example for number in numbers for example in self.examples(view, number)]
            self._columns[images] = self._groups(view, numbers, examples) | acceptable(examples)
        return self._columns[images]

    def _groups(
        self, view: View, numbers: Sequence[int], examples: Sequence[Example]
    ) -> dict[str, NDArray[np.int64]]:
        """Return the column of groups, if images belong together.

        Sets that declare no groups have groups of copies: files with equal content. The content of images
        inside a container is not compared.
        """
        if examples[0].group is not None:
            ids = {name: identifier(name) for name in {example.group for example in examples}}
            return {"group": np.array([ids[example.group] for example in examples], dtype=np.int64)}
        digests = np.concatenate([shard.digests for shard in self.of_shards(view, numbers)])
        n = len(digests)
        different = len(np.unique(digests))
        if different == n:
            return {}
        copies = "is a copy of another" if n - different == 1 else "are copies of others"
        counted = f"intervals count the {different:,} different ones"
        name = self.suite.listing_view(view).set
        self.notes[name] = f"{name}: {n - different:,} of {n:,} images {copies}; {counted}"
        return {"group": digests}


def acceptable(examples: Sequence[Example]) -> dict[str, NDArray[np.int64]]:
    """Return the right classes of each image, (N, K), if some have several."""
    most = max(len(example.also) for example in examples)
    if not most:
        return {}
    rows = [(example.label, *example.also, *[NO_CLASS] * (most - len(example.also))) for example in examples]
    return {"acceptable": np.array(rows, dtype=np.int64)}


def _content(example: Example, digest: str) -> list[Any]:
    """Return the values that identify an example.

    They include its place in a container and its sampled corruption, if it has one.
    """
    member = [] if example.member is None else [example.member]
    return [example.index, example.label, example.texture, digest, *member, *(example.condition or ())]


def _file(example: Example, digest: str) -> str | list[str | None]:
    """Return the values that identify an example's image: its file and member."""
    return digest if example.member is None else [digest, example.member, example.reader]


def identifier(*parts: str | None) -> int:
    """Return a number for text, the same in every process, as good as unique."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "little", signed=True)


def shard_of(examples: Sequence[Example], number: int) -> Sequence[Example]:
    """Return the examples of a shard."""
    return examples[number * SHARD_SIZE : (number + 1) * SHARD_SIZE]

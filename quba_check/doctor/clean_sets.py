"""Findings on the images of sets: copies, two labels, training images, and bursts."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from quba_check.core.view import CLEAN_SET, View
from quba_check.doctor.finding import Finding, Severity
from quba_check.doctor.subject import ModelUnderTest
from quba_check.number_format import counted
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.example import Example
from quba_check.suites.image_facts import (
    TRAINING,
    ImageFacts,
    facts_of_examples,
    near_pairs,
    pairs_of_one_picture,
)
from quba_check.suites.readers.folder import training_images
from quba_check.suites.suite import Suite

CHECK = "copies"
SHOWN = 3
MOST_EXAMINED = 10_000
"""Largest number of images that the doctor compares; `quba-check suite check` compares any number."""
LEAST_CHAIN = 3
"""Images of one picture that are called a burst."""
_DROP = "drop the surplus files, or declare a group for images that belong together"
Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class SetPictures:
    """The images of several sets, and training images.

    Attributes:
        suite: opens the images.
        names: of the sets.
        examples: the images.
        sets: (N,) number of each image's set; `TRAINING` for training images.
        facts: of the images.
    """

    suite: Suite
    names: tuple[str, ...]
    examples: Sequence[Example]
    sets: NDArray[np.int64]
    facts: ImageFacts

    @property
    def extent(self) -> str:
        """Number of images in each set."""
        numbered = [*enumerate(self.names), *([(TRAINING, "training")] if TRAINING in self.sets else [])]
        return ", ".join(f"{name}: {_size(self, number):,} images" for number, name in numbered)

    @cached_property
    def exact(self) -> Pairs:
        """Pairs of files with equal content.

        In one set, each with the first one of its content; in two sets, the first ones of both.
        """
        pairs: list[tuple[int, int]] = []
        firsts_by_content: dict[str, dict[int, int]] = {}
        for row, (content, number) in enumerate(zip(self.facts.content, self.sets.tolist(), strict=True)):
            firsts = firsts_by_content.setdefault(content, {})
            own = firsts.setdefault(number, row)
            others = [own] if own != row else [first for first in firsts.values() if first != row]
            pairs += [(other, row) for other in others]
        return pairs

    @cached_property
    def near(self) -> Pairs:
        """Further images of one picture in one set, or in a set and in training."""
        copies = {second for first, second in self.exact if self.sets[first] == self.sets[second]}
        rows = np.array([row for row in range(len(self.sets)) if row not in copies], dtype=np.int64)
        pairs = near_pairs(self.facts, self.sets, rows)
        contents = np.array(self.facts.content)
        pairs = pairs[contents[pairs[:, 0]] != contents[pairs[:, 1]]]
        confirmed = pairs_of_one_picture(self.suite, self.examples, pairs).tolist()
        return [(row, other) for row, other in confirmed]

    def in_sets(self, pairs: Pairs, first: int, second: int) -> Pairs:
        """Return the pairs of two sets, without those of one group and label."""
        sets = self.sets.tolist()
        groups = [example.group for example in self.examples]
        return [
            (row, other)
            for row, other in pairs
            if (sets[row], sets[other]) == (first, second)
            and (groups[row] is None or groups[row] != groups[other] or self.disagree(row, other))
        ]

    def disagree(self, first: int, second: int) -> bool:
        """Return True if no label is right for both images."""
        example, other = (self.examples[row] for row in (first, second))
        return {example.label, *example.also}.isdisjoint((other.label, *other.also))

    def name(self, row: int) -> str:
        """Return the name of an image for evidence."""
        return self.examples[row].full_name

    def named_label(self, row: int) -> str:
        """Return the name of an image with its label."""
        classes = self.suite.space_of(self.names[self.sets[row]]).classes
        return f"{self.name(row)} ({classes[self.examples[row].label]})"


def check_pictures(
    suite: Suite, digests: ContentDigests, training: Path | None, advance: Callable[[int], None]
) -> tuple[SetPictures, list[Finding]]:
    """Return the images of the labelled sets, and their findings.

    These are the clean set, the shifts and the sets of `other`. Problems come before notes.

    Args:
        suite: the suite.
        digests: the file digests of the store.
        training: folder or list of training images; None if there is none.
        advance: called with the number of images whose facts are known.

    Raises:
        SuiteError: a set is missing, or an image cannot be decoded.
    """
    names = _labelled_sets(suite)
    listings: list[Sequence[Example]] = [suite.examples(View(name)) for name in names]
    listings.append(() if training is None else training_images(training))
    examples = [example for listing in listings for example in listing]
    sets = np.repeat([*range(len(names)), TRAINING], [len(listing) for listing in listings])
    pictures = SetPictures(suite, names, examples, sets, facts_of_examples(suite, examples, digests, advance))
    findings = [*_pairs_in_sets(pictures), *_spellings(pictures), *_bursts(pictures)]
    return pictures, sorted(findings, key=lambda finding: finding.severity)


def _labelled_sets(suite: Suite) -> tuple[str, ...]:
    """Return the names of the labelled sets with images."""
    names = (CLEAN_SET, *suite.facts.shifts, *suite.facts.other)
    return tuple(name for name in names if suite.missing(View(name)) is None)


def check(subject: ModelUnderTest, digests: ContentDigests) -> Iterator[Finding]:
    """Yield the findings on the pictures of sets that are soon read.

    Args:
        subject: the model and the suite.
        digests: the file digests of the store.
    """
    suite = subject.suite
    listings: list[Sequence[Example]] = [suite.examples(View(name)) for name in _labelled_sets(suite)]
    listings += [] if suite.training is None else [training_images(suite.training)]
    if sum(map(len, listings)) <= MOST_EXAMINED:
        yield from check_pictures(suite, digests, suite.training, lambda _: None)[1]


def _finding(
    problem: str, pairs: Pairs, name: Callable[[int], str], fix: str, severity: Severity = "remark"
) -> Iterator[Finding]:
    """Yield a finding on pairs, if there are any."""
    lines = [f"{name(row)} and {name(other)}" for row, other in pairs[:SHOWN]]
    lines += [f"and {len(pairs) - SHOWN:,} more"] if len(pairs) > SHOWN else []
    if pairs:
        yield Finding(check=CHECK, problem=problem, evidence="\n".join(lines), fix=fix, severity=severity)


def _pairs_in_sets(pictures: SetPictures) -> Iterator[Finding]:
    """Yield findings on pairs in sets and in training."""
    spaces = [pictures.suite.facts.spaces[name] for name in pictures.names]
    sets = range(len(spaces))
    for first, second in [
        (set_number, other) for set_number in sets for other in (*sets[set_number:], TRAINING)
    ]:
        exact, near = (pictures.in_sets(pairs, first, second) for pairs in (pictures.exact, pictures.near))
        name = pictures.names[first]
        size = _size(pictures, first)
        if second == TRAINING:
            leaks = [*exact, *near]
            problem = (
                f"{name}: {len({row for row, _ in leaks}):,} of {size:,} images were trained with, "
                f"{len(exact):,} as exact copies."
            )
            fix = "drop them from the set: the model may remember them"
            yield from _finding(problem, leaks, pictures.name, fix, "problem")
            continue
        other = pictures.names[second]
        if spaces[first] == spaces[second]:
            pairs = [pair for pair in (*exact, *near) if pictures.disagree(*pair)]
            where = name if second == first else f"{name} and {other}"
            problem = f"{where}: {counted(_seconds(pairs), 'picture')} under two labels."
            fix = "correct the wrong label, or drop all files of the picture"
            yield from _finding(problem, pairs, pictures.named_label, fix, "problem")
        of = "others" if second == first else f"images of {name}"
        fix = (
            _DROP if second == first else "drop them from one of the sets, or declare the same group in both"
        )
        for kind, copies in (("exact", exact), ("near", near)):
            images = f"{_seconds(copies):,} of {_size(pictures, second):,} images"
            yield from _finding(f"{other}: {images} are {kind} copies of {of}.", copies, pictures.name, fix)


def _seconds(pairs: Pairs) -> int:
    return len({second for _, second in pairs})


def _spellings(pictures: SetPictures) -> Iterator[Finding]:
    """Yield findings on names that differ only in case or Unicode's forms."""
    for number, name in enumerate(pictures.names):
        rows = np.flatnonzero(pictures.sets == number).tolist()
        first: dict[str, int] = {}
        spelled = (unicodedata.normalize("NFC", pictures.name(row)).casefold() for row in rows)
        firsts = [(first.setdefault(text, row), row) for text, row in zip(spelled, rows, strict=True)]
        pairs = [(row, other) for row, other in firsts if row != other]
        problem = f"{name}: {counted(len(pairs), 'file')} with the name of another in a different spelling."
        yield from _finding(problem, pairs, pictures.name, "drop one of the files, or rename it")


def _bursts(pictures: SetPictures) -> Iterator[Finding]:
    """Yield findings on sets without groups that look like bursts: near copies."""
    for number, name in enumerate(pictures.names):
        rows = np.flatnonzero(pictures.sets == number)
        if pictures.examples[rows[0]].group is not None:
            continue
        pairs = pictures.in_sets(pictures.near, number, number)
        links = np.array(pairs, dtype=np.int64).reshape(-1, 2) - rows[0]
        graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(rows), len(rows)))
        sizes = np.bincount(connected_components(graph, directed=False)[1])
        chains = sizes[sizes >= LEAST_CHAIN]
        if len(chains):
            problem = (
                f"{name}: {chains.sum():,} of {len(rows):,} images look like the frames of "
                f"{counted(len(chains), 'burst')}, and no group is declared."
            )
            fix = "declare a group in the set's entry, so that intervals count each burst once"
            yield from _finding(problem, pairs, pictures.name, fix)


def _size(pictures: SetPictures, number: int) -> int:
    return int(np.count_nonzero(pictures.sets == number))

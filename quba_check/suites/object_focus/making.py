"""`mixed_same` and `mixed_rand`, made from clean images and where their objects are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from quba_check.core.view import CLEAN, MIXED_RAND_SET, MIXED_SAME_SET
from quba_check.errors import FewObjectsError, SuiteError, listed
from quba_check.suites.object_focus.mixing import composite, without_object
from quba_check.suites.object_focus.objects import Cutout, Objects, image_name, pixels_of
from quba_check.suites.object_focus.output import replaced, write_origins
from quba_check.suites.object_focus.pairing import Pairing, drawn, pairings
from quba_check.suites.object_focus.search import Search
from quba_check.suites.suite import Example, Suite

_THREADS = 8
LEAST_SHARE = 0.5
"""Required share of the searched images with a usable object."""


@dataclass(frozen=True, slots=True)
class Made:
    """Two sets that were made.

    Attributes:
        images: how many each of them has.
        classes: the classes they show, sorted.
        clean: how many clean images there are.
        left_out: why others of them take no part, in words; empty if all do.
    """

    images: int
    classes: tuple[str, ...]
    clean: int
    left_out: str


Watched = Callable[[str, int], Callable[[int], object]]


def _unwatched(_what: str, _images: int) -> Callable[[int], object]:
    return lambda _done: None


def make_object_focus(
    suite: Suite,
    objects: Objects,
    out: Path,
    *,
    seed: int = 0,
    per_class: int | None = None,
    allow_few: bool = True,
    watched: Watched = _unwatched,
) -> Made:
    """Write `mixed_same/<class>/*.png` and `mixed_rand/<class>/*.png` into a folder.

    Both sets show the same objects, each once, in the size and place that they have in their clean images; a
    picture has the name of its twin in the other set. `object-focus.json` beside them says what each is made
    of. The folder appears whole or not at all.

    Args:
        suite: whose clean images are taken.
        objects: where their objects are.
        out: the folder; may exist if it is empty, or was made with the same settings and is to be made anew.
        seed: for which background an object gets and, with `per_class`, which images take part.
        per_class: at most so many images of a class take part, two or more; None for all.
        allow_few: make sets even if fewer than half of the images that were searched show a usable object.
        watched: is told what begins and of how many images; what it returns is told how many more are done.

    Raises:
        FewObjectsError: there are few, and `allow_few` is False.
        SuiteError: there are no clean images, a class cannot be a folder, `out` holds other things, too few
            objects are left, or an image, mask or box cannot be used.

    Source: Xiao et al. (ICLR 2021, arXiv 2006.09994). The published sets differ: nine coarse classes, not the
    suite's; pictures scaled by nearest neighbour, cropped to 224 pixels and stored as JPEG; an object may get
    its own background; objects are always those that GrabCut finds.
    """
    if reason := suite.missing(CLEAN):
        raise SuiteError(f"{suite.root}: {reason}.")
    made_with = {"data": str(suite.root), "objects": objects.shown, "seed": seed, "per class": per_class}
    examples, classes = suite.examples(CLEAN), suite.classes
    for name in classes:
        if re.search(r"^\.|[/\\]", name):
            raise SuiteError(
                f"{suite.root}: the class '{name}' cannot name a folder. Allowed: names without / and \\, "
                "and no dot in front."
            )
    objects.prepare(suite, examples)
    with replaced(out, made_with) as folder, ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        search = Search(suite, objects, pool, watched("looking for objects", len(examples)))
        for label, members in _by_class(examples, classes, seed).items():
            search.look_through(label, members, per_class or len(members))
        if len(search.found) < 2:
            got, reasons = listed(search.found) or "none", search.reasons() or "nothing"
            raise SuiteError(
                f"{suite.root}: mixing needs two classes with two usable objects each, got {got}. "
                f"Left out of {len(examples):,} clean images: {reasons}."
            )
        if not allow_few:
            _check_share(suite, search)
        pairs = pairings(search.found, seed)
        mixer = _Mixer(
            suite, {name: one for found in search.found.values() for name, one in found.items()}, folder
        )
        named: dict[str, Pairing] = {}
        advance = watched("mixing", len(mixer.cutouts))
        for label, of_class in pairs.items():
            mixer.make_folders(label)
            numbered = {f"{label}/{number:05d}.png": pair for number, pair in enumerate(of_class)}
            for _ in pool.map(mixer.write, numbered, numbered.values()):
                advance(1)
            named |= numbered
        write_origins(folder, made_with, search.left_out, named)
    return Made(len(named), tuple(pairs), len(examples), search.reasons())


def _check_share(suite: Suite, search: Search) -> None:
    """Check the share of images with a usable object.

    Raises:
        FewObjectsError: fewer than half of the images that were searched do.
    """
    usable = sum(map(len, search.found.values()))
    searched = usable + sum(map(len, search.left_out.values()))
    if usable < LEAST_SHARE * searched:
        raise FewObjectsError(
            f"{suite.root}: usable objects in {usable:,} of {searched:,} images, fewer than half; nothing "
            f"was written. Left out: {search.reasons()}. Check that masks or boxes belong to these images "
            f"and surround whole objects, or make the sets of the {usable:,} alone: --allow-few"
        )


def _by_class(examples: Sequence[Example], classes: Sequence[str], seed: int) -> dict[str, list[Example]]:
    """The images of each class, in an order that depends on the seed and on names, not on that of the set."""
    members: dict[str, list[Example]] = {name: [] for name in sorted(classes)}
    for example in sorted(examples, key=lambda example: drawn(seed, "order", image_name(example))):
        members[classes[example.label]].append(example)
    return members


@dataclass(frozen=True, slots=True)
class _Mixer:
    """Writes pictures of both sets.

    Attributes:
        suite: whose clean images they are made of.
        cutouts: their objects, by the image's name.
        folder: where the sets are written.
    """

    suite: Suite
    cutouts: Mapping[str, Cutout]
    folder: Path

    def make_folders(self, label: str) -> None:
        for name in (MIXED_SAME_SET, MIXED_RAND_SET):
            (self.folder / name / label).mkdir(parents=True)

    def write(self, name: str, pair: Pairing) -> None:
        """Write one object before its two backgrounds."""
        cutout = self.cutouts[pair.foreground]
        foreground, mask = pixels_of(self.suite, cutout.example), cutout.mask
        for set_name, other in ((MIXED_SAME_SET, pair.same), (MIXED_RAND_SET, pair.rand)):
            behind = self.cutouts[other]
            background = without_object(pixels_of(self.suite, behind.example), behind.box)
            mixed = composite(foreground, mask, background)
            Image.fromarray(mixed).save(self.folder / set_name / name, compress_level=1)

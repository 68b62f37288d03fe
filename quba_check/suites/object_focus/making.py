"""Making of `mixed_same` and `mixed_rand` from clean images and their objects."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from quba_check.core.view import CLEAN, MIXED_RAND_SET, MIXED_SAME_SET
from quba_check.errors import FewObjectsError, SuiteError
from quba_check.messages import listed
from quba_check.storage.atomic import replacing
from quba_check.storage.user_files import os_errors
from quba_check.suites.object_focus.objects import (
    Cutout,
    Objects,
    SkipReason,
    composite,
    image_name,
    without_object,
)
from quba_check.suites.suite import Example, Suite

_SCHEMA = 1
_THREADS = 8
_SHOWN = 3
LEAST_SHARE = 0.5
"""Required share of the searched images with a usable object."""
ORIGINS = "object-focus.json"
"""File next to the sets, with their settings and the source images of every picture."""

ProgressBar = Callable[[str, int], Callable[[int], object]]
"""Called with the name of a step and its number of images; returns a function that counts finished images."""


@dataclass(frozen=True, slots=True)
class MadeSets:
    """Result of `make_object_focus`.

    Attributes:
        images: number of images in each set.
        classes: classes with images, sorted.
        clean: number of clean images.
        left_out: reasons for clean images that are not used, in words; empty if all are.
    """

    images: int
    classes: tuple[str, ...]
    clean: int
    left_out: str


@dataclass(frozen=True, slots=True)
class Pairing:
    """Names of the images that a picture of each set is made of.

    Attributes:
        foreground: source of the object and the label.
        same: source of the background in mixed_same.
        rand: source of the background in mixed_rand.
    """

    foreground: str
    same: str
    rand: str


def make_object_focus(
    suite: Suite,
    objects: Objects,
    out: Path,
    *,
    seed: int = 0,
    per_class: int | None = None,
    allow_few: bool = True,
    progress: ProgressBar = lambda _step, _images: lambda _finished: None,
) -> MadeSets:
    """Write `mixed_same/<class>/*.png` and `mixed_rand/<class>/*.png` into a folder.

    Both sets show the same objects, each once, in the size and position of their clean images. A picture has
    the same name in both sets. `object-focus.json` next to them records the sources of each picture. The
    folder appears as a whole or not at all.

    Args:
        suite: source of the clean images.
        objects: source of their objects.
        out: the folder; may be missing or empty.
        seed: of the backgrounds and, with `per_class`, of the choice of images.
        per_class: largest number of images of a class, at least two; None for all.
        allow_few: make sets even if fewer than half of the searched images have a usable object.
        progress: see `ProgressBar`.

    Raises:
        FewObjectsError: there are too few objects, and `allow_few` is False.
        SuiteError: there are no clean images, a class cannot be a folder, `out` is not empty, fewer
            than two classes have two usable objects, or an image, mask or box cannot be used.

    Source: Xiao et al. (ICLR 2021, arXiv 2006.09994). The published sets differ: nine coarse classes, not the
    suite's; pictures scaled by nearest neighbour, cropped to 224 pixels and stored as JPEG; an object may get
    its own background; objects are always those that GrabCut finds.
    """
    source = f"{objects.kind} {objects.path.absolute()}"
    settings = {"data": suite.location, "objects": source, "seed": seed, "per class": per_class}
    examples = suite.examples(CLEAN)
    classes = suite.classes
    _check_folder_names(classes, suite.location)
    objects.prepare(suite, examples)
    with new_folder(out) as folder, ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        search = _Search(suite, objects, pool, progress("looking for objects", len(examples)))
        for label, members in _by_class(examples, classes, seed).items():
            search.search_class(label, members, per_class or len(members))
        search.check(len(examples), allow_few)
        pairs = pair_backgrounds(search.cutouts, seed)
        cutouts = {name: cutout for of_class in search.cutouts.values() for name, cutout in of_class.items()}
        pictures = {
            f"{label}/{number:05d}.png": pair
            for label, of_class in pairs.items()
            for number, pair in enumerate(of_class)
        }
        for label, set_name in itertools.product(pairs, (MIXED_SAME_SET, MIXED_RAND_SET)):
            (folder / set_name / label).mkdir(parents=True)
        advance = progress("mixing", len(cutouts))
        write = partial(_write_pictures, suite, cutouts, folder)
        for _ in pool.map(write, pictures, pictures.values()):
            advance(1)
        origins = {"schema": _SCHEMA, "made_with": settings, "left_out": search.left_out}
        origins["pictures"] = {name: asdict(pair) for name, pair in pictures.items()}
        text = json.dumps(origins, indent=1, ensure_ascii=False) + "\n"
        (folder / ORIGINS).write_text(text, encoding="utf-8", newline="\n")
    return MadeSets(len(pictures), tuple(pairs), len(examples), search.reasons())


def _check_folder_names(classes: Iterable[str], where: str) -> None:
    """Raise an error if a class cannot name a folder."""
    for name in classes:
        if re.search(r"^\.|[/\\]", name):
            raise SuiteError(
                f"the class '{name}' cannot name a folder",
                where=where,
                allowed=r"names without / and \, and no dot in front",
            )


def _by_class(examples: Sequence[Example], classes: Sequence[str], seed: int) -> dict[str, list[Example]]:
    """Group images by class, in an order of seed and names only."""
    members: dict[str, list[Example]] = {name: [] for name in sorted(classes)}
    for example in sorted(examples, key=lambda example: seeded_number(seed, "order", image_name(example))):
        members[classes[example.label]].append(example)
    return members


@dataclass(frozen=True, slots=True)
class _Search:
    """Search for usable objects, class by class.

    Attributes:
        suite: source of the images.
        objects: source of the objects.
        pool: runs the search in images of a class.
        advance: is called with the number of images that are done.
        cutouts: usable objects by class and image name; two or more in each class.
        left_out: sorted names of images without a usable object, by reason.
    """

    suite: Suite
    objects: Objects
    pool: Executor
    advance: Callable[[int], object]
    cutouts: dict[str, dict[str, Cutout]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def search_class(self, label: str, examples: Sequence[Example], limit: int) -> None:
        """Add the first usable objects of a class, at most `limit`."""
        remaining = iter(examples)
        searched = 0
        cutouts: dict[str, Cutout] = {}
        while batch := list(islice(remaining, limit - len(cutouts))):
            results = self.pool.map(partial(self.objects.locate, self.suite), batch)
            for example, result in zip(batch, results, strict=True):
                if isinstance(result, SkipReason):
                    self._leave_out(result, image_name(example))
                else:
                    cutouts[image_name(example)] = result
                searched += 1
                self.advance(1)
        self.advance(len(examples) - searched)
        if len(cutouts) == 1:
            self._leave_out(SkipReason.ALONE, *cutouts)
        elif cutouts:
            self.cutouts[label] = cutouts

    def check(self, images: int, allow_few: bool) -> None:
        """Check that there are enough objects.

        Raises:
            FewObjectsError: fewer than half of the searched images have one, and `allow_few` is False.
            SuiteError: fewer than two classes have two.
        """
        if len(self.cutouts) < 2:
            got = listed(self.cutouts) or "none"
            raise SuiteError(
                "mixing needs two classes with two usable objects each",
                where=self.suite.location,
                got=got,
                hint=f"Left out of {images:,} clean images: {self.reasons() or 'nothing'}.",
            )
        usable = sum(map(len, self.cutouts.values()))
        searched = usable + sum(map(len, self.left_out.values()))
        if usable < LEAST_SHARE * searched and not allow_few:
            raise FewObjectsError(
                f"usable objects in {usable:,} of {searched:,} images, fewer than half; nothing was written",
                where=self.suite.location,
                hint=f"Left out: {self.reasons()}. Check that masks or boxes belong to these images and "
                f"surround whole objects, or make the sets of the {usable:,} alone: --allow-few",
            )

    def reasons(self) -> str:
        """Return reasons with numbers of images and a few names; may be empty."""
        return "; ".join(
            f"{reason}: {len(names):,} ({listed(names, _SHOWN)})"
            for reason, names in sorted(self.left_out.items())
        )

    def _leave_out(self, reason: SkipReason, name: str) -> None:
        insort(self.left_out.setdefault(str(reason), []), name)


def seeded_number(seed: int, *words: str) -> int:
    """Return a 128-bit number that depends only on the seed and the words."""
    text = "\0".join((str(seed), *words))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def pair_backgrounds(classes: Mapping[str, Iterable[str]], seed: int) -> dict[str, list[Pairing]]:
    """Choose two backgrounds for every object: its own class and a random class.

    The random class may be the object's own, and all classes are equally likely: the background carries no
    information about the label. No object gets the background of its own image. The result does not depend on
    the order of classes and images.

    Args:
        classes: names of the images by class, two or more in each, every name once.
        seed: of the random choice.

    Returns:
        By class, a pairing for each image in the order of names.

    Source: Xiao et al. (ICLR 2021), table 1; their script may choose an object's own image, this does not.
    """
    pools = {name: sorted(images) for name, images in sorted(classes.items())}
    names = list(pools)

    def other(pool: Sequence[str], image: str, word: str) -> str:
        allowed = [name for name in pool if name != image]
        return allowed[seeded_number(seed, word, image) % len(allowed)]

    def pairing(pool: Sequence[str], image: str) -> Pairing:
        random_pool = pools[names[seeded_number(seed, "class", image) % len(names)]]
        return Pairing(image, same=other(pool, image, "same"), rand=other(random_pool, image, "rand"))

    return {name: [pairing(pool, image) for image in pool] for name, pool in pools.items()}


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes `out` if no error occurs.

    Args:
        out: may be missing or empty.

    Raises:
        SuiteError: `out` holds something, or cannot be written.
    """
    if out.is_file():
        raise SuiteError("this is a file", where=f"{out}", allowed="a new or empty folder")
    with os_errors("cannot be written", SuiteError, where=f"{out}"):
        if out.is_dir() and any(out.iterdir()):
            raise SuiteError(
                "the folder is not empty", where=f"{out}", allowed="a new or empty one; name it with -o"
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as new:
            new.mkdir()
            yield new
            if out.is_dir():
                out.rmdir()


def _write_pictures(
    suite: Suite, cutouts: Mapping[str, Cutout], folder: Path, name: str, pair: Pairing
) -> None:
    cutout = cutouts[pair.foreground]
    foreground = np.asarray(suite.image(cutout.example))
    mask = cutout.mask
    for set_name, source in ((MIXED_SAME_SET, pair.same), (MIXED_RAND_SET, pair.rand)):
        behind = cutouts[source]
        background = without_object(np.asarray(suite.image(behind.example)), behind.box)
        picture = composite(foreground, mask, background)
        Image.fromarray(picture).save(folder / set_name / name, compress_level=1)

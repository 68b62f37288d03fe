"""A suite: from its manifest and a view to (index, image, label)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from quba_check.core.facts import SetLabels, SuiteFacts
from quba_check.core.head import Head
from quba_check.core.label_space import LabelSpace
from quba_check.core.view import CLEAN_SET, CORRUPTIONS, CORRUPTIONS_SET, SAMPLED, View
from quba_check.errors import SuiteError, did_you_mean, listed
from quba_check.suites.class_list import ClassList
from quba_check.suites.decoding import decode_image
from quba_check.suites.example import Example, SetCount
from quba_check.suites.label_spaces import (
    BUILT_IN_SPACES,
    built_in_space,
    imagenet_classes,
    imagenet_titles,
)
from quba_check.suites.manifest.reading import Manifest
from quba_check.suites.manifest.set_schema import AnySet
from quba_check.suites.readers import READERS
from quba_check.suites.restriction import is_subset_of_imagenet
from quba_check.suites.sampled_corruptions import CONDITIONS, sampled_examples
from quba_check.suites.sampling import WHOLE, SubsetSampler

__all__ = ["Example", "SetCount", "Suite"]
_LISTINGS_KEPT = 4
"""Views whose lists of examples stay in memory; a list of 50,000 takes about 10 MB."""


class Suite:
    """Labelled image sets, found by views. Open one with `open_suite`.

    Args:
        root: the data folder; relative paths of the manifest begin there.
        manifest: which sets there are.
        sampler: which images of each set are looked at.

    Attributes:
        name: the suite's name.
        root: absolute path of the data folder.
        sampler: which images of each set are looked at.
        image_size: side in pixels of the default preparation, for models that bring none; None if not stated.
        prompts: what the manifest says of the classes in words, for zero-shot models.
        facts: what dimensions may know of the suite; no image is read for it.
        notes: remarks for records of runs on it.
    """

    def __init__(self, root: Path, manifest: Manifest, sampler: SubsetSampler = WHOLE) -> None:
        self.name = manifest.name
        self.root = root.absolute()
        self.sampler = sampler
        self.notes: list[str] = []
        self.image_size = manifest.image_size
        self.prompts = manifest.prompts
        self._manifest = manifest
        corruptions = manifest.corruptions
        self.facts = SuiteFacts(
            name=manifest.name,
            class_count=len(self.class_names),
            class_names=self.class_names,
            shifts=manifest.shifts,
            corruptions=CORRUPTIONS,
            spaces={name: declared.space for name, declared in manifest.sets.items()},
            generates_corruptions=corruptions is not None and corruptions.reader is None,
            samples_corruptions=corruptions is not None and corruptions.sample == "one",
        )
        self._counted: dict[View, SetCount] = {}
        # A run that may leave sets early goes through all of them again and again.
        self._listing = lru_cache(maxsize=None if sampler.shuffled else _LISTINGS_KEPT)(self._listed)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that a model of this suite answers with, in order."""
        return tuple(self._class_list.names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Readable names of the classes, in that order; the names again where the manifest has no others."""
        return tuple(self._class_list.titles)

    @cached_property
    def head(self) -> Head:
        """Required outputs of a model of this suite."""
        names = self.classes
        return self._manifest.head or Head(len(names), is_in_imagenet=is_subset_of_imagenet(names))

    @cached_property
    def _class_list(self) -> ClassList:
        return self._manifest.classes or ClassList(imagenet_classes(), imagenet_titles())

    @cached_property
    def _own_space(self) -> LabelSpace:
        return LabelSpace.own(self.classes)

    def space(self, name: str | None) -> LabelSpace:
        """The label space of that name; None is the model's own.

        Raises:
            SuiteError: the suite has no such space.
        """
        if name is None:
            return self._own_space
        if name in self._manifest.spaces:
            return self._manifest.spaces[name]
        if name in BUILT_IN_SPACES and self._manifest.classes is None:
            return built_in_space(name)
        raise SuiteError(f"{self._manifest.shown}: unknown label space '{name}'.")

    def space_of(self, set_name: str) -> LabelSpace:
        """The label space that a set declares.

        Raises:
            SuiteError: the suite declares no such set.
        """
        return self.space(self._declared(set_name).space)

    def missing(self, view: View) -> str | None:
        """Why there are no images for a view, as the end of a sentence; None if its set is there."""
        if view.set not in self._manifest.sets:
            return f"{self._manifest.shown} declares no set '{view.set}'"
        if self.is_generated(view):
            return self.missing(View(CLEAN_SET))
        if view.images == SAMPLED:
            return next(filter(None, map(self.missing, CONDITIONS)), None)
        declared, beside = self._declared(view.set), self._beside(view)
        is_there = READERS[str(declared.reader)].is_there
        for place in (self.place(view), *beside.values()):
            if not is_there(place):
                return f"the set '{view.images}' is not there: looked for {place}"
        return None

    @property
    def encoding(self) -> str | None:
        """The file format that generated corruptions go through; None where they go through none."""
        corruptions = self._manifest.corruptions
        return None if corruptions is None else corruptions.encode

    def is_prepared(self, view: View) -> bool:
        """Whether the view's images are stored at their final size and are not to be cropped again."""
        return self._declared(self._source(view).set).prepared

    def is_generated(self, view: View) -> bool:
        """Whether the view is a corruption that is made from the clean images after their preparation."""
        return self._declared(view.set).reader is None

    def place(self, view: View) -> Path:
        """The folder or file that the view's images are read from."""
        source = self._source(view)
        return self.root / self._declared(source.set).source_of(source).path

    def examples(self, view: View) -> tuple[Example, ...]:
        """The images behind a view in their order; for generated corruptions the clean ones.

        Raises:
            SuiteError: the set is not laid out as its reader expects; the message names the file or folder.
        """
        return self._listing(self.listing_view(view))

    def labels(self, view: View) -> SetLabels:
        """The labels of the images behind a view.

        Raises:
            SuiteError: see `examples`.
        """
        examples = self.examples(view)
        textures = [example.texture for example in examples if example.texture is not None]
        label = np.array([example.label for example in examples], dtype=np.int64)
        return SetLabels(label, np.array(textures, dtype=np.int64))

    def listing_view(self, view: View) -> View:
        """The view that has the same examples, as their files, labels and conditions tell."""
        return SAMPLED if view.images == SAMPLED else self._source(view)

    def path(self, example: Example) -> Path:
        """Where an example's file, or the container that holds it, is."""
        return self.root / example.name

    def open_image(self, example: Example) -> Image.Image:
        """An example's image as it is stored, not decoded yet. Close it, best by `with`.

        Raises:
            OSError, SyntaxError, ValueError, SuiteError: it is not there, or is no image.
        """
        member = None if example.reader is None else READERS[example.reader].member
        if member is None or example.member is None:
            return Image.open(self.path(example))
        return member(self.path(example), example.member)

    def shown(self, example: Example) -> str:
        """How messages call an example: its path, and its place in the container in brackets."""
        path = self.path(example)
        return str(path) if example.member is None else f"{path}[{example.member}]"

    def image(self, example: Example) -> Image.Image:
        """An example's image in RGB, fully decoded.

        As in torchvision's and timm's loaders, an orientation in the EXIF data is not applied.

        Raises:
            SuiteError: the file is not there or cannot be decoded.
        """
        what = "the file" if example.member is None else "it"
        return decode_image(
            lambda: self.open_image(example), lambda image: image.convert("RGB"), self.shown(example), what
        )

    def views(self) -> tuple[View, ...]:
        """One view for every set, and every corruption and severity, that is there."""
        declared = (
            view
            for name in self._manifest.sets
            for view in (CONDITIONS if name == CORRUPTIONS_SET else (View(name),))
        )
        return tuple(view for view in declared if self.missing(view) is None)

    def counts(self, views: Iterable[View] | None = None) -> dict[str, SetCount]:
        """Images found and expected, by set name; corruptions are summed over their conditions.

        A number that differs from the expected one is told here and is no error.

        Args:
            views: those to count; their listings are remembered. By default those of every set that is there,
                which for a million-file suite means to list them all.

        Raises:
            SuiteError: a set is not laid out as its reader expects.
        """
        counts: dict[str, SetCount] = {}
        for view in dict.fromkeys(view.images for view in (self.views() if views is None else views)):
            source = self.listing_view(view)
            if source not in self._counted:
                self._listing(source)
            found = self._counted[source]
            counts[view.set] = counts[view.set] + found if view.set in counts else found
        return counts

    def _declared(self, set_name: str) -> AnySet:
        if set_name not in self._manifest.sets:
            near = did_you_mean(set_name, self._manifest.sets)
            known = listed(self._manifest.sets)
            raise SuiteError(f"{self._manifest.shown}: unknown set '{set_name}'.{near} Allowed: {known}.")
        return self._manifest.sets[set_name]

    def _beside(self, source: View) -> dict[str, Path]:
        """Further files that the reader of a view needs, by what it calls them."""
        files = self._declared(source.set).source_of(source).files
        return {name: self.root / path for name, path in files.items()}

    def _source(self, view: View) -> View:
        """The view whose files the images come from."""
        return View(CLEAN_SET) if self.is_generated(view) else view.images

    def _listed(self, source: View) -> tuple[Example, ...]:
        if source == SAMPLED:
            sampled = sampled_examples(self.examples, self.place, self.sampler)
            self._counted[SAMPLED] = self._counted[self._source(CONDITIONS[0])]
            return sampled
        declared = self._declared(source.set)
        if reason := self.missing(source):
            raise SuiteError(f"{self.root}: {reason}.")
        reader = str(declared.reader)
        space = declared.space
        classes = self._class_list if space is None else ClassList.plain(self.space(space).classes)
        options = {**declared.source_of(source).options, **self._beside(source)}
        try:
            images = READERS[reader].images(self.place(source), classes, **options)
        except SuiteError as error:
            raise SuiteError(f"{error} {self._manifest.assumed}".rstrip()) from None
        drawn = self.sampler.positions([image.label for image in images]).tolist()
        found = len(images) if len(images) > len(drawn) else None
        self._counted[source] = SetCount(len(drawn), declared.expected, found)
        prefix = f"{self.root.as_posix()}/"
        return tuple(
            Example(
                index,
                image.path.removeprefix(prefix),
                image.label,
                image.texture,
                image.member,
                None if image.member is None else reader,
            )
            for index, image in ((position, images[position]) for position in drawn)
        )

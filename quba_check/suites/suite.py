"""A suite: from a view to examples, images and labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quba_check.core.classes import Head, LabelSpace
from quba_check.core.facts import SetLabels, SuiteFacts
from quba_check.core.view import CLEAN_SET, CORRUPTIONS, CORRUPTIONS_SET, SAMPLED, View
from quba_check.errors import SuiteError
from quba_check.messages import known_names
from quba_check.storage.store import content_hash
from quba_check.suites.data_folder import DataFolder
from quba_check.suites.example import JPEG_SUFFIXES, Content, Example, SetCount, decode_image, open_file
from quba_check.suites.label_spaces import BUILT_IN_SPACES, IMAGENET, ClassList, built_in_space
from quba_check.suites.manifest.definitions import is_subset_of_imagenet
from quba_check.suites.manifest.reading import Manifest
from quba_check.suites.manifest.set_schema import AnySet
from quba_check.suites.readers import READERS, LabelledImage
from quba_check.suites.readers.listing import ReaderInput, each_folder_once
from quba_check.suites.sampling import CONDITIONS, WHOLE, SubsetSampler, conditions_of, sampled_examples
from quba_check.suites.slices import group_names, slice_columns

__all__ = ["Example", "SetCount", "Suite"]
if TYPE_CHECKING:
    from PIL import Image

_CACHED_EXAMPLES = 1_000_000
"""Largest number of cached examples, of any number of views; 50,000 take 10 MB, and 25 MB with slices."""


class Suite:
    """Labelled image sets, addressed by views. Open one with `open_suite`.

    Args:
        folder: the data folder, also one behind a URL; paths of the manifest are relative to it.
        manifest: the declared sets.
        sampler: selects the images of each set.

    Attributes:
        name: the suite's name.
        root: absolute path of the data folder on this machine.
        location: path or URL of the data folder, for messages and records.
        classes: the classes of the models, in order of their outputs.
        class_names: readable names of the classes in that order, by default the names themselves.
        source: name by which `find_suite` opens it on any machine: `demo`, or the location.
        folder: the data folder, on this machine or behind a URL.
        sampler: selects the images of each set.
        image_size: side in pixels of the default preprocessing, for models without one; None if not stated.
        prompts: prompts of the manifest, for zero-shot models.
        training: folder or list of the training images; None if the manifest states none.
        manifest: the declared sets.
        facts: facts for dimensions; no image is read for them.
    """

    def __init__(self, folder: Path | DataFolder, manifest: Manifest, sampler: SubsetSampler = WHOLE) -> None:
        self.folder = DataFolder(folder) if isinstance(folder, Path) else folder
        self.name, self.root = manifest.name, self.folder.root
        self.location = self.source = self.folder.location
        self.image_size, self.prompts = manifest.entry.image_size, manifest.prompts
        training = manifest.entry.training
        sets = manifest.entry.sets
        self.training = None if training is None else self.root / training
        self.sampler = sampler
        self.manifest = manifest
        self.classes, self.class_names = tuple(manifest.classes.names), tuple(manifest.classes.titles)
        self._own_space = LabelSpace.own(self.classes)
        corruptions = sets.corruptions
        spaces = {declared.space for declared in manifest.sets.values() if declared.space}
        self.facts = SuiteFacts(
            name=manifest.name,
            class_count=len(self.class_names),
            class_names=self.class_names,
            shifts=tuple(sets.shifts),
            other=tuple(sets.other),
            decided=manifest.decided,
            corruptions=CORRUPTIONS,
            spaces={name: declared.space for name, declared in manifest.sets.items()},
            generates_corruptions=corruptions is not None and corruptions.reader is None,
            samples_corruptions=corruptions is not None and corruptions.sample == "one",
            space_classes={name: self.space(name).classes for name in sorted(spaces)},
            extra_corruptions=() if corruptions is None else tuple(corruptions.extra),
            unknown=sets.unknown.names,
            unknown_score=sets.unknown.score,
            slices=tuple(
                dict.fromkeys(name for declared in manifest.sets.values() for name in declared.slice_names)
            ),
            serving={name: serving.pipeline for name, serving in manifest.entry.serving.items()},
        )
        self._counted: dict[View, SetCount] = {}
        self._listings: dict[View, tuple[Example, ...]] = {}

    @cached_property
    def head(self) -> Head:
        """Required outputs of a model of this suite."""
        names = self.classes
        positive = self.manifest.entry.positive
        head = self.manifest.head or Head(len(names), is_in_imagenet=is_subset_of_imagenet(names))
        return head if positive is None else replace(head, positive=names.index(positive))

    def space(self, name: str | None) -> LabelSpace:
        """Return the label space of that name; None for the model's own.

        Raises:
            SuiteError: the suite has no such space.
        """
        if name is None:
            return self._own_space
        space = self.manifest.spaces.get(name)
        if space:
            return space
        if name in BUILT_IN_SPACES and self.manifest.entry.classes == IMAGENET:
            return built_in_space(name)
        raise SuiteError(f"unknown label space '{name}'.", where=self.manifest.document.label)

    def space_of(self, set_name: str) -> LabelSpace:
        """Return the label space of a set.

        Raises:
            SuiteError: the suite declares no such set.
        """
        return self.space(self.declared(set_name).space)

    def declared(self, set_name: str) -> AnySet:
        """Return the manifest's entry of a set.

        Raises:
            SuiteError: the suite declares no such set.
        """
        if set_name not in self.manifest.sets:
            raise SuiteError(
                f"unknown set '{set_name}'",
                where=self.manifest.document.label,
                **known_names(set_name, self.manifest.sets),
            )
        return self.manifest.sets[set_name]

    def missing(self, view: View) -> str | None:
        """Return the end of a sentence with the reason for missing images, or None."""
        if view.set not in self.manifest.sets:
            return f"{self.manifest.document.label} declares no set '{view.set}'"
        if self.is_generated(view):
            return self.missing(View(CLEAN_SET))
        if view.images == SAMPLED:
            return next(filter(None, map(self.missing, CONDITIONS)), None)
        source = self.declared(view.set).source_of(view)
        for path in (source.path, *source.files.values()):
            if not self.folder.has(path):
                location = self.folder.with_location(str(self.root / path))
                return f"the set '{view.images}' is missing: looked for {location}"
        return None

    @property
    def encoding(self) -> str | None:
        """File format that generated corruptions pass through; None if none."""
        corruptions = self.manifest.entry.sets.corruptions
        return None if corruptions is None else corruptions.encode

    def is_prepared(self, view: View) -> bool:
        """Return True if the view's images are stored at their final size, without further cropping."""
        return self.declared(self._source(view).set).prepared

    def is_generated(self, view: View) -> bool:
        """Return True if the view is a corruption generated from the preprocessed clean images."""
        return self.declared(view.set).reader is None

    def set_path(self, view: View) -> Path:
        """Return the folder or file of the view's images."""
        source = self._source(view)
        return self.root / self.declared(source.set).source_of(source).path

    def examples(self, view: View) -> tuple[Example, ...]:
        """Return the images of a view in order; for generated corruptions the clean ones.

        Raises:
            SuiteError: the set is missing or has another layout than its reader expects.
        """
        return self._listing(self.listing_view(view))

    def fetch(self, view: View) -> None:
        """Copy the files of a view from a URL to this machine, as `examples` does.

        Raises:
            SuiteError: one cannot be read.
            StoreError: one cannot be written.
        """
        source = self.listing_view(view)
        for condition in CONDITIONS if source == SAMPLED else (source,):
            self._fetch(condition)

    def labels(self, view: View) -> SetLabels:
        """Return the labels of the images of a view.

        Raises:
            SuiteError: see `examples`.
        """
        examples = self.examples(view)
        label, texture = ([getattr(example, name) for example in examples] for name in ("label", "texture"))
        return SetLabels(np.array(label, dtype=np.int64), np.array(texture, dtype=np.int64))

    def listing_view(self, view: View) -> View:
        """Return the view with the same examples as stored, or the sampled view."""
        return SAMPLED if view.images == SAMPLED else self._source(view)

    def path(self, example: Example) -> Path:
        """Return the path of an example's file or container."""
        return self.root / example.name

    def open_image(self, example: Example) -> Image.Image:
        """Open an example's image without decoding it. Close it, for example by `with`.

        Raises:
            OSError, SyntaxError, ValueError, SuiteError: it is missing, or not an image.
        """
        member = example.reader and READERS[example.reader].member
        if not member or example.member is None:
            return open_file(os.path.join(self.root, example.name))  # noqa: PTH118  a Path takes far longer
        return member(self.path(example), example.member)

    def label(self, example: Example) -> str:
        """Return an example's name for messages: its path, with the container's member in brackets."""
        path = self.folder.with_location(str(self.path(example)))
        return path if example.member is None else f"{path}[{example.member}]"

    def image(self, example: Example) -> Image.Image:
        """Decode an example's image to RGB.

        As in the loaders of torchvision and timm, the orientation in EXIF data is not applied.

        Raises:
            SuiteError: the file is missing or cannot be decoded.
        """
        return self.read_image(example, lambda image: image.convert("RGB"))

    def read_image(self, example: Example, read: Callable[[Image.Image], Content]) -> Content:
        """Return the content that a function decodes from an example's opened image.

        Raises:
            SuiteError: the file is missing or cannot be decoded.
        """
        what = "the file" if example.member is None else "it"
        return decode_image(lambda: self.open_image(example), read, lambda: self.label(example), what)

    def may_be_jpeg(self, example: Example) -> bool:
        """Return True if an example may be a JPEG file, judged by its name.

        Nothing is read. True for images of a container that states no format.
        """
        is_hidden = example.reader is not None and READERS[example.reader].hides_formats
        return is_hidden or (example.member or example.name).lower().endswith(JPEG_SUFFIXES)

    def views(self) -> tuple[View, ...]:
        """Return one view for every set, and every corruption and severity, with images."""
        conditions = (*CONDITIONS, *conditions_of(self.facts.extra_corruptions))
        views = (conditions if name == CORRUPTIONS_SET else (View(name),) for name in self.manifest.sets)
        return tuple(view for view in chain.from_iterable(views) if self.missing(view) is None)

    def counts(self, views: Iterable[View] | None = None) -> dict[str, SetCount]:
        """Count images by set; corruptions are summed over their conditions.

        A number that differs from the expected one is not an error here.

        Args:
            views: views to count; their listings are cached. By default all views with images, which lists
                all files of the suite.

        Raises:
            SuiteError: a set is missing or has another layout than its reader expects.
        """
        counts: dict[str, SetCount] = {}
        for view in dict.fromkeys(view.images for view in (self.views() if views is None else views)):
            source = self.listing_view(view)
            if source not in self._counted:
                self._listing(source)
            count = self._counted[source]
            counts[view.set] = counts[view.set] + count if view.set in counts else count
        return counts

    def unread_notes(self, views: Iterable[View] | None = None) -> list[str]:
        """Return a note on each set with image files that are not read.

        Args:
            views: the views whose files are listed; by default all with images.

        Raises:
            SuiteError: a set has another layout than its reader expects.
        """
        return [
            f"{name}: {count.unread_text}"
            for name, count in self.counts(views).items()
            if count.unread and not self.is_generated(View(name))
        ]

    def _fetch(self, view: View) -> ReaderInput:
        """Return the reader's input of a stored view, once its files are on this machine."""
        entry = self.declared(view.set)
        source = entry.source_of(view)
        self.folder.fetch(f"the set '{view.images}'", str(entry.reader), source)
        return source

    def _source(self, view: View) -> View:
        """Return the view that the images are read from."""
        return View(CLEAN_SET) if self.is_generated(view) else view.images

    def _listing(self, source: View) -> tuple[Example, ...]:
        """Return the cached examples of a view, and drop those used longest ago."""
        examples = self._listings[source] = self._listings.pop(source, ()) or self._list_examples(source)
        while len(self._listings) > 1 and sum(map(len, [*self._listings.values()])) > _CACHED_EXAMPLES:
            self._listings.pop(next(iter(self._listings)), None)  # another thread may have dropped it
        return examples

    def _list_examples(self, source: View) -> tuple[Example, ...]:
        if source == SAMPLED:
            sampled = sampled_examples(self.examples, self.set_path, self.sampler)
            self._counted[SAMPLED] = self._counted[self._source(CONDITIONS[0])]
            return sampled
        declared = self.declared(source.set)
        reason = self.missing(source)
        if reason:
            raise SuiteError(f"{reason}.", where=self.location)
        space = declared.space
        classes = self.manifest.classes if space is None else ClassList.plain(self.space(space).classes)
        reader = READERS[str(declared.reader)]
        try:
            given = self._fetch(source)
            path = self.root / given.path
            files = {name: self.root / file for name, file in given.files.items()}
            with each_folder_once():
                images = reader.images(path, classes, **given.options, **files)
                unread = sorted(reader.unread_files(path))
            groups = group_names(declared, images, self.root, path)
            slice_columns(declared, [image.cells for image in images], str(path))
        except SuiteError as error:
            raise self.folder.relocated(error, self.manifest.assumed) from None
        positions = self.sampler.positions([image.label for image in images], groups).tolist()
        found = len(images) if len(images) > len(positions) else None
        count = None if groups is None else len({groups[position] for position in positions})
        first = next(iter(unread), "")
        cells = [images[position].cells for position in positions]
        slices = content_hash([declared.crossed, declared.columns, cells]) if declared.crossed else None
        counted = SetCount(len(positions), declared.expected, found, len(unread), first, count, slices)
        self._counted[source] = counted
        prefix = f"{self.root.as_posix()}/"

        def example(index: int, row: LabelledImage) -> Example:
            container = None if row.member is None else declared.reader
            name = row.path.removeprefix(prefix)
            group = None if groups is None else groups[index]
            return Example(
                index, name, row.label, row.texture, row.member, container, None, group, row.cells, row.also
            )

        return tuple(example(position, images[position]) for position in positions)

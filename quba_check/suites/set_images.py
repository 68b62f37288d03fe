"""Images and slices of a suite, with each set read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from quba_check.core.predictions import NO_CLASS, SliceColumn
from quba_check.core.request import Request
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.errors import SuiteError
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.example import Example
from quba_check.suites.slices import property_column, slice_columns
from quba_check.suites.suite import Suite


class SetImages:
    """The images of a suite, named as records name them.

    Args:
        suite: the suite, with the sampler of the run.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._sets: dict[str, dict[str, Example]] = {}

    def labelled_names(self, set_name: str) -> list[tuple[str, str, str]]:
        """Return name, class and texture class of each image, in the order of stored results.

        Images without a second cue have an empty texture class, and labels outside the classes are empty.

        Raises:
            SuiteError: the set is missing or has another layout than its reader expects.
        """
        examples = self._examples(set_name)
        has_own_classes = self._suite.facts.spaces[set_name] is None
        classes = self._suite.class_names if has_own_classes else self._suite.space_of(set_name).classes
        named = dict(enumerate(classes)) | {NO_CLASS: ""}
        return [(name, named[example.label], named[example.texture]) for name, example in examples.items()]

    def open_image(self, set_name: str, name: str) -> Image.Image:
        """Open an image without decoding it.

        Raises:
            SuiteError: the set has no image of this name.
            OSError, SyntaxError, ValueError: it is missing or not an image.
        """
        example = self._examples(set_name).get(name)
        if example is None:
            raise SuiteError(f"the set '{set_name}' has no image {name}.", where=self._suite.location)
        return self._suite.open_image(example)

    def _examples(self, set_name: str) -> dict[str, Example]:
        if set_name not in self._sets:
            examples = sorted(self._suite.examples(View(set_name)), key=lambda example: example.index)
            self._sets[set_name] = {example.full_name: example for example in examples}
        return self._sets[set_name]


def check_groups_agree(suite: Suite, requests: Iterable[Request]) -> None:
    """Refuse decided sets with a group whose images have no label in common.

    Args:
        suite: the suite.
        requests: the numbers to measure.

    Raises:
        SuiteError: there is such a group, unless one image decides its label.
    """
    facts = suite.facts
    for name in dict.fromkeys(name for request in requests for name in request.sets if name in facts.decided):
        if facts.decided[name].any_of is not None:
            continue
        shared: dict[str | None, set[int]] = {}
        for example in suite.examples(View(facts.view_set(facts.root_of(name)))):
            own = {example.label, *example.also}
            if not shared.setdefault(example.group, own) & own:
                raise SuiteError(
                    f"the images of the group '{example.group}' have different labels",
                    where=f"{suite.location}: sets.decided.{name}",
                    allowed="one right class for all images of a group, or any: CLASS",
                )
            shared[example.group] &= own


class ViewSlices:
    """The slices of views, each set read once.

    Args:
        suite: the suite.
        digests: the file digests of the store, which keeps the properties of images.
    """

    def __init__(self, suite: Suite, digests: ContentDigests) -> None:
        self._suite = suite
        self._digests = digests
        self._sets: dict[View, Mapping[str, SliceColumn]] = {}

    def of(self, view: View) -> Mapping[str, SliceColumn]:
        """Return the slices of a view's images by column; empty if it has none.

        Corrupted images have the slices of the clean images that they show.

        Raises:
            SuiteError: the set is missing or has another layout than its reader expects, or an image whose
                properties are needed cannot be decoded.
        """
        source = self._suite.listing_view(view)
        clean = View(CLEAN_SET)
        if source.set == CORRUPTIONS_SET:
            shown, originals = (
                [(example.index, example.label) for example in self._suite.examples(images)]
                for images in (source, clean)
            )
            return self.of(clean) if shown == originals else {}
        if source not in self._sets:
            declared = self._suite.declared(source.set)
            listed = self._suite.examples(source)
            order = np.argsort([example.index for example in listed])
            cells = [listed[row].cells for row in order]
            columns = slice_columns(declared, cells, str(self._suite.set_path(source)))
            if declared.properties:
                from quba_check.suites.image_facts import image_facts  # imports scipy.fft and more

                facts = image_facts(self._suite, source, self._digests)
                columns |= {
                    name: property_column(name, getattr(facts, name)[order]) for name in declared.properties
                }
            self._sets[source] = columns
        return self._sets[source]

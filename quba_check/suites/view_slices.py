"""Slices of the images of a view."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quba_check.core.predictions import SliceColumn
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.slices import property_column, slice_columns
from quba_check.suites.suite import Suite


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
        source, clean = self._suite.listing_view(view), View(CLEAN_SET)
        if source.set == CORRUPTIONS_SET:
            shown, originals = (
                [(one.index, one.label) for one in self._suite.examples(images)] for images in (source, clean)
            )
            return self.of(clean) if shown == originals else {}
        if source not in self._sets:
            declared, listed = self._suite.declared(source.set), self._suite.examples(source)
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

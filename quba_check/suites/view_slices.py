"""Slices of the images of a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from quba_check.core.slices import SliceColumn
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.suites.slices import property_column, slice_columns
from quba_check.suites.suite import Suite


class ViewSlices:
    """The slices of views, each set read once.

    Args:
        suite: the suite.
        facts_of: returns the properties of a view's images, each an (N,) attribute, in the order of
            `suite.examples`; None if they are unknown.
    """

    def __init__(self, suite: Suite, facts_of: Callable[[View], Any] | None = None) -> None:
        self._suite = suite
        self._facts_of = facts_of
        self._sets: dict[View, Mapping[str, SliceColumn]] = {}

    def of(self, view: View) -> Mapping[str, SliceColumn]:
        """Return the slices of a view's images by column; empty if it has none.

        Corrupted images have the slices of the clean images that they show.

        Raises:
            SuiteError: the set is missing or has another layout than its reader expects.
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
            if declared.properties and self._facts_of is not None:
                facts = self._facts_of(source)
                columns |= {
                    name: property_column(name, getattr(facts, name)[order]) for name in declared.properties
                }
            self._sets[source] = columns
        return self._sets[source]

"""Slices of the images of a view."""

from __future__ import annotations

from collections.abc import Mapping

from quba_check.core.slices import SliceColumn
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.suites.slices import slice_columns
from quba_check.suites.suite import Suite


class ViewSlices:
    """The slices of views, each set read once.

    Args:
        suite: the suite.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
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
            examples = sorted(self._suite.examples(source), key=lambda example: example.index)
            cells = [example.cells for example in examples]
            where = str(self._suite.set_path(source))
            self._sets[source] = slice_columns(self._suite.declared(source.set), cells, where)
        return self._sets[source]

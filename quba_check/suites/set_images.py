"""Images of a suite by set and name, for pictures in reports."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import View
from quba_check.errors import SuiteError
from quba_check.suites.example import Example
from quba_check.suites.opening import DEMO_SUITE, find_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite


class SetImages:
    """The images of a suite, named as records name them.

    Args:
        suite: the suite, with the sampler of the run.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._sets: dict[str, dict[str, Example]] = {}

    @classmethod
    def of_run(cls, folder: str | Path | None, sampler: SubsetSampler, store: Path) -> SetImages:
        """Open the suite of a stored run.

        Args:
            folder: the data folder or its URL; None for the demo's images, which are drawn if missing.
            sampler: selects the images as in the run.
            store: folder of the demo's images.

        Raises:
            SuiteError: the folder is missing or holds no suite.
            StoreError: the demo's images cannot be written.
        """
        return cls(find_suite(DEMO_SUITE if folder is None else folder, store, sampler))

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
        return [(name, named[one.label], named[one.texture]) for name, one in examples.items()]

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

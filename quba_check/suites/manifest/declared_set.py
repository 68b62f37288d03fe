"""A set that a manifest declares, and where the images of a view are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from quba_check.core.view import SEVERITIES, View

ARRAYS = "arrays"
Sample = Literal["one", "all"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a reader looks.

    Attributes:
        path: folder or file, relative to the data folder.
        options: what the reader is told besides.
        beside: further files that it needs, relative to the data folder, by what it calls them.
    """

    path: str
    options: Mapping[str, object] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeclaredSet:
    """A set that the manifest declares.

    Attributes:
        name: `clean`, `corruptions`, `mixed_same`, `mixed_rand`, `cue_conflict` or a shift's name.
        reader: name of its reader; None for corruptions that are generated from the clean set.
        source: where its reader looks; for corruptions the folder of all of them.
        expected: images it is published with (per corruption and severity for corruptions).
        prepared: stored at its final size.
        space: label space that its labels are in; None is the model's own.
        sample: `one`: corruptions are sampled, one for each image.
        encode: file format that generated corruptions go through.
    """

    name: str
    reader: str | None
    source: Source
    expected: int | None
    prepared: bool
    space: str | None = None
    sample: Sample = "all"
    encode: str | None = None

    def source_of(self, view: View) -> Source:
        """Where the images of one of its views are.

        A corruption at a severity is in a folder `<corruption>/<severity>`; in arrays it is one of the equal
        parts of `<corruption>.npy`, by severity, labelled in `labels.npy`, as CIFAR-10-C is published.
        """
        if view.corruption is None or view.severity is None:
            return self.source
        path = f"{self.source.path}/{view.corruption}"
        if self.reader != ARRAYS:
            return Source(f"{path}/{view.severity}", self.source.options)
        part = (view.severity - 1, len(SEVERITIES))
        return Source(f"{path}.npy", {"part": part}, {"labels": f"{self.source.path}/labels.npy"})

"""The work of judging one model, by stage: images, passes and reading, from a manifest alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.dimensions import registry
from quba_check.engine.plan import BACKWARD, FORWARD
from quba_check.errors import SuiteError
from quba_check.storage.store import SHARD_SIZE
from quba_check.suites import opening
from quba_check.suites.manifest.reading import Manifest, read_manifest
from quba_check.suites.suite import Suite

Reading = Literal["file", "prepared", "kept", "generated"]
"""Origin of an image: a file of any size, a file at its final size, a prepared image in the store, or a
corruption generated from one."""
PUBLISHED_MANIFEST = Path(opening.__file__).with_name("imagenet.yaml")


@dataclass(frozen=True)
class Stage:
    """Views of a model that cost the same per image.

    Attributes:
        name: the set and its attack.
        views: number of views.
        images: images of each view.
        reading: origin of the images.
        forward: passes of an image without gradients.
        attack: passes of an image in an attack, forward and backward, which are in float32.
    """

    name: str
    views: int
    images: int
    reading: Reading
    forward: int = 1
    attack: float = 0.0

    @property
    def total(self) -> int:
        """Images of all views."""
        return self.views * self.images

    @property
    def shards(self) -> int:
        """Shards of all views."""
        return self.views * -(-self.images // SHARD_SIZE)

    @property
    def files(self) -> int:
        """Files that are read for these views alone."""
        return self.total if self.reading in ("file", "prepared") else 0

    @property
    def has_probabilities(self) -> bool:
        """True if the table of class probabilities is stored, as for the clean set."""
        return self.name == CLEAN_SET


def read_stages(
    path: Path, pgd_passes: float, *, generates: bool = False, samples: bool = False
) -> tuple[Stage, ...]:
    """Return the stages of a model on a suite, from the `expected` numbers of images in its manifest.

    Args:
        path: the manifest; `PUBLISHED_MANIFEST` for the ImageNet family.
        pgd_passes: forward and backward passes of an image under PGD.
        generates: True to generate corruptions that the manifest reads from files.
        samples: True to show each image under one corruption, as with `sample: one`.

    Raises:
        SuiteError: the manifest has an error, or a set states no number of images.
    """
    manifest = read_manifest(path, str(path))
    facts = Suite(path.parent, manifest).facts
    views = dict.fromkeys(
        replace(view, space=None, columns="top1")
        for name in PUBLISHED_DIMENSIONS
        for view in registry[name].views(facts)
        if view.set in manifest.sets
    )
    counts = Counter((view.set, view.attack) for view in views)
    stages = []
    for (name, attack), count in counts.items():
        number = 1 if samples and name == CORRUPTIONS_SET else count
        reading = _reading(manifest, View(name, attack=attack), generates=generates)
        if attack is None:
            stages.append(Stage(name, number, _images(manifest, name), reading))
        else:
            passes = pgd_passes if attack == "pgd" else FORWARD[attack] + BACKWARD[attack]
            stages.append(
                Stage(f"{name}+{attack}", number, _images(manifest, name), reading, forward=0, attack=passes)
            )
    return tuple(stages)


def _images(manifest: Manifest, name: str) -> int:
    """Return the number of images of a set; generated corruptions have those of the clean set."""
    declared = manifest.sets[name]
    if declared.expected is None and declared.reader is None:
        declared = manifest.sets[CLEAN_SET]
    if declared.expected is None:
        raise SuiteError(f"{manifest.label}: {name}: expected is missing. Add the number of its images.")
    return declared.expected


def _reading(manifest: Manifest, view: View, *, generates: bool) -> Reading:
    """Return the origin of a view's images. Attacks read images that the clean set has prepared."""
    declared = manifest.sets[view.set]
    if view.set == CORRUPTIONS_SET and (generates or declared.reader is None):
        return "generated"
    if view.attack is not None:
        return "kept"
    return "prepared" if declared.prepared else "file"

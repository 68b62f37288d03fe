"""Where the shards of a view live: addresses from the content of everything that determines them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

from quba_check.core.label_space import LabelSpace
from quba_check.core.protocols import Protocol
from quba_check.core.view import CLEAN_SET, CUE_CONFLICT_SET, View
from quba_check.engine.decisions import Kind
from quba_check.errors import UnmeasurableError
from quba_check.models.classifier import Classifier
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.store import SHARD_SIZE, ShardKey, content_hash
from quba_check.suites import corruptions
from quba_check.suites.suite import Example, Suite

FORMAT = 1
"""Raised when the meaning of a stored column changes: old shards are then never read."""

LIBRARIES = ("torch", "timm", "torchvision", "pillow")
"""What computes predictions besides the model; another version may answer differently."""


class CacheKeys:
    """Addresses of one model on one suite under one protocol.

    A setting enters the address of the views that it touches and of no other: the clean set is the same
    under both protocols, and is predicted once for both.
    """

    def __init__(
        self, classifier: Classifier, suite: Suite, digests: ContentDigests, protocol: Protocol, seed: int
    ) -> None:
        self._classifier = classifier
        self._suite = suite
        self._digests = digests
        self._protocol = protocol
        self._seed = seed
        self._sizes: dict[View, int] = {}
        self._keys: dict[View, dict[int, ShardKey]] = {}
        self._whole: dict[View, tuple[ShardKey, ...]] = {}
        self._contents: dict[View, dict[int, str]] = {}

    @property
    def classes(self) -> int:
        """Number of classes in the model's answers."""
        return len(self._suite.classes)

    def stored_view(self, view: View) -> View:
        """The view that is predicted and stored for a view that is asked for.

        The space in which it is read makes no difference, and the unattacked clean set always keeps its
        probabilities, so that every dimension finds what it needs in one pass.
        """
        clean = view.set == CLEAN_SET and view.attack is None
        return View(
            view.set,
            view.corruption,
            view.severity,
            view.attack,
            columns="probabilities" if clean else view.columns,
        )

    def is_cropped(self, view: View) -> bool:
        """Whether images of the view go through the full evaluation transform."""
        return self._protocol.crops_prepared or not self._suite.is_prepared(view)

    def other_spaces(self, view: View) -> tuple[LabelSpace, ...]:
        """Spaces besides the declared one in which the view's answers are read."""
        if view.set != CLEAN_SET or view.attack is not None:
            return ()
        names = sorted({name for name in self._suite.facts.spaces.values() if name is not None})
        declared = self._suite.facts.spaces.get(CLEAN_SET)
        return tuple(self._suite.space(name) for name in names if name != declared)

    def columns(self, view: View) -> dict[str, Kind]:
        """Return the columns of a stored view, as `Task.rows` makes them, with their kinds."""
        kinds: dict[str, Kind] = {"index": "class"}
        for suffix in ("", *(f"@{space.name}" for space in self.other_spaces(view))):
            kinds |= {f"label{suffix}": "class", f"top1{suffix}": "class"}
            kinds |= {f"confidence{suffix}": "share", f"true_probability{suffix}": "share"}
        if view.set == CUE_CONFLICT_SET:
            kinds["texture"] = "class"
        if view.columns == "probabilities":
            kinds["probabilities"] = "share"
        if view.attack is not None:
            kinds["zero_gradient" if view.attack == "fgsm" else "always_right"] = "flag"
            if self._protocol.attack_space != "pixel":
                kinds |= {"moved": "distance", "moved_share": "distance"}
        return kinds

    def shards(self, view: View) -> range:
        """The numbers of a view's shards.

        Raises:
            UnmeasurableError: the view has no images.
        """
        if view.images not in self._sizes:
            self._sizes[view.images] = len(self._suite.examples(view.images))
        if not self._sizes[view.images]:
            raise UnmeasurableError(f"the set '{view.images}' holds no image", missing_data=True)
        return range(-(-self._sizes[view.images] // SHARD_SIZE))

    def shard_key(self, view: View, number: int) -> ShardKey:
        """One shard of a view; reads the digests of its images alone."""
        return self._listed(self.stored_view(view), (number,))[0]

    def shard_keys(self, view: View) -> tuple[ShardKey, ...]:
        """The shards of a view, in order; reads the digests of its images."""
        stored = self.stored_view(view)
        if stored not in self._whole:
            self._whole[stored] = self._listed(stored, self.shards(stored))
        return self._whole[stored]

    def has_listed(self, view: View) -> bool:
        """Whether the shards of a view have been listed already."""
        return self.stored_view(view) in self._whole

    def _listed(self, stored: View, numbers: Sequence[int]) -> tuple[ShardKey, ...]:
        known = self._keys.setdefault(stored, {})
        missing = [number for number in numbers if number not in known]
        if missing:
            address, examples = self.cache_entry(stored), self._suite.examples(stored.images)
            contents = self._content_of_shards(stored, missing)
            for number, content in zip(missing, contents, strict=True):
                indices = _indices(shard_of(examples, number))
                known[number] = ShardKey(address, number, content, indices)
        return tuple(known[number] for number in numbers)

    def cache_entry(self, view: View) -> str:
        """Address of the artefact that holds a view: of model and settings; the images enter by shard."""
        return content_hash(self._settings(self.stored_view(view)))

    def content_key(self, view: View, shards: range | None = None) -> str:
        """Address of the images and labels of a view, or of some of its shards, in order."""
        every = self.shards(view)
        numbers = every if shards is None else every[shards.start : shards.stop]
        return content_hash(self._content_of_shards(view, numbers))

    def _content_of_shards(self, view: View, numbers: Sequence[int]) -> tuple[str, ...]:
        images = self._suite.listing_view(view)
        known = self._contents.setdefault(images, {})
        missing = [number for number in numbers if number not in known]
        if missing:
            examples = self._suite.examples(images)
            shards = [shard_of(examples, number) for number in missing]
            paths = [self._suite.path(example) for shard in shards for example in shard]
            digests = iter(self._digests.digests(paths))
            for number, shard in zip(missing, shards, strict=True):
                known[number] = content_hash([_content(example, next(digests)) for example in shard])
        return tuple(known[number] for number in numbers)

    @cached_property
    def model_settings(self) -> dict[str, Any]:
        """What tells this model, prepared and run like this, from any other."""
        preprocessing = self._classifier.preprocessing.as_dict()
        preprocessing.pop("source", None)
        return {
            "fingerprint": self._classifier.fingerprint,
            "preparation": preprocessing,
            "outputs": self._classifier.stated_outputs,
            "precision": self._classifier.precision,
            "libraries": {name: version(name) for name in LIBRARIES},
        }

    def _settings(self, view: View) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "format": FORMAT,
            "model": self.model_settings,
            "view": str(view),
            "columns": view.columns,
            "crop": self.is_cropped(view),
            "spaces": [
                [space.name, space.classes, space.members, space.by]
                for space in (self._suite.space_of(view.set), *self.other_spaces(view))
            ],
        }
        if view.attack is not None:
            settings["attack_space"] = self._protocol.attack_space
        if view.attack == "pgd":
            settings["seed"] = self._seed
        if self._suite.is_generated(view):
            settings["generator"] = [corruptions.VERSION, self._seed, self._suite.encoding]
        if view.set == CUE_CONFLICT_SET:
            settings["ties"] = self._protocol.ties
        return settings


def _content(example: Example, digest: str) -> list[Any]:
    """What tells an example from any other.

    Of a container, its content and which of its images; of sampled corruptions, which one.
    """
    member = [] if example.member is None else [example.member]
    return [example.index, example.label, example.texture, digest, *member, *(example.condition or ())]


def _indices(examples: Sequence[Example]) -> Sequence[int]:
    """The indices of examples; a range where nothing is left out between them, which takes no memory."""
    found = tuple(example.index for example in examples)
    whole = range(found[0], found[0] + len(found))
    return whole if found == tuple(whole) else found


def shard_of(examples: Sequence[Example], number: int) -> Sequence[Example]:
    """The examples of a shard."""
    return examples[number * SHARD_SIZE : (number + 1) * SHARD_SIZE]

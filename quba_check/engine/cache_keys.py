"""Cache keys of stored shards: hashes of all that determines the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any

from quba_check.core.classes import LabelSpace
from quba_check.core.protocols import Protocol
from quba_check.core.view import CLEAN_SET, CUE_CONFLICT_SET, Columns, View
from quba_check.engine.decisions import ColumnKind
from quba_check.models.classifier import Classifier
from quba_check.models.preprocessing import fast
from quba_check.storage.shard import ShardKey
from quba_check.storage.store import content_hash
from quba_check.suites.contents import Contents
from quba_check.suites.suite import Example

FORMAT = 2
"""Increased with the meaning of a stored column or of its metadata, so that old shards are never read."""

LIBRARIES = ("torch", "timm", "torchvision", "pillow")
"""Libraries that compute the predictions of every model; another version may give other results."""


@dataclass(eq=False, repr=False)
class CacheKeys:
    """Cache keys of one model on one suite under one protocol.

    A setting enters only the keys of views that it affects: the clean set has the same key under both
    protocols, and is predicted once for both.

    Attributes:
        classifier: the model.
        contents: the images.
        protocol: settings of attacks, ties and cropping.
        keeps_logits: True if the clean set keeps the logsumexp and the largest of its logits.
        generation: number of the stored predictions of this fingerprint that are in use, from 1.
    """

    classifier: Classifier
    contents: Contents
    protocol: Protocol
    keeps_logits: bool = False
    generation: int = 1

    def __post_init__(self) -> None:
        self.suite = self.contents.suite
        self._in_use = self.classifier.compute, self.generation
        self._entries: dict[View, str] = {}
        self._fast: dict[View, Sequence[bool]] = {}
        self._keys: dict[View, dict[int, ShardKey]] = {}

    def stored_view(self, view: View) -> View:
        """Return the view that is predicted and stored for a requested view.

        It has no label space, and the unattacked clean set always keeps its probabilities, so that one pass
        serves every dimension.
        """
        is_clean = view.set == CLEAN_SET and view.attack is None
        columns: Columns = "probabilities" if is_clean else view.columns
        logits = view.logits or (is_clean and self.keeps_logits)
        return replace(view, space=None, columns=columns, logits=logits)

    def is_cropped(self, view: View) -> bool:
        """Return True if images of the view pass the full evaluation transform."""
        return self.protocol.crops_prepared or not self.suite.is_prepared(view)

    def is_prepared_fast(self, view: View) -> bool:
        """Return True if fast preprocessing applies to some of the view's images."""
        return any(self.fast_images(view))

    def fast_images(self, view: View) -> Sequence[bool]:
        """Return the distinct values of whether fast preprocessing applies to an image of the view.

        In a set of mixed formats the name of each image decides, and the key of its shard states it.
        """
        if not self.classifier.is_prepared_fast:
            return []
        images = self.suite.listing_view(view)
        if images not in self._fast:
            self._fast[images] = sorted(set(map(self.suite.may_be_jpeg, self.suite.examples(images))))
        return self._fast[images]

    def give(self, view: View, number: int, examples: Sequence[Example], fast_images: Sequence[bool]) -> None:
        """Take the images of a shard as listed elsewhere; see `Contents.give` and `fast_images`."""
        self._fast.setdefault(self.suite.listing_view(view), fast_images)
        self.contents.give(view, number, examples)

    def other_spaces(self, view: View) -> tuple[LabelSpace, ...]:
        """Return the label spaces of the view's answers in addition to the declared one."""
        if view.set != CLEAN_SET or view.attack is not None:
            return ()
        names = sorted({name for name in self.suite.facts.spaces.values() if name is not None})
        declared = self.suite.facts.spaces.get(CLEAN_SET)
        return tuple(self.suite.space(name) for name in names if name != declared)

    def columns(self, view: View) -> dict[str, ColumnKind]:
        """Return the kind of each column of a stored view; see `shard_arrays`."""
        kinds: dict[str, ColumnKind] = {"index": "class"}
        for suffix in ("", *(f"@{space.name}" for space in self.other_spaces(view))):
            kinds |= {f"label{suffix}": "class", f"top1{suffix}": "class"}
            kinds |= {f"confidence{suffix}": "share", f"true_probability{suffix}": "share"}
        if view.set == CUE_CONFLICT_SET:
            kinds["texture"] = "class"
        if view.columns == "probabilities":
            kinds["probabilities"] = "share"
        kinds |= dict.fromkeys(self.suite.facts.score_columns(view), "distance")
        if view.attack is not None:
            kinds["zero_gradient" if view.attack == "fgsm" else "always_right"] = "flag"
            if self.classifier.surrogate is not None:
                kinds["fools_reference"] = "flag"
            if self.protocol.attack_space != "pixel":
                kinds |= {"moved": "distance", "moved_share": "distance"}
        return kinds

    def shard_key(self, view: View, number: int) -> ShardKey:
        """Return the key of one shard; read only the digests of its images."""
        return self.shard_keys(view, (number,))[0]

    def shard_keys(self, view: View, numbers: Sequence[int] | None = None) -> tuple[ShardKey, ...]:
        """Return the keys of a view's shards, by default of all.

        It reads the digests of their images.
        """
        stored = self.stored_view(view)
        self._forget_other_settings()
        numbers = self.contents.shards(stored) if numbers is None else numbers
        keys = self._keys.setdefault(stored, {})
        missing = [number for number in numbers if number not in keys]
        if missing:
            cache_entry = self.cache_entry(stored)
            contents = self.contents.of_shards(stored, missing)
            for number, own in zip(missing, contents, strict=True):
                flags = self._fast_flags(stored, number)
                indices = _indices(self.contents.examples(stored, number))
                content = content_hash([own.examples, flags]) if flags else own.examples
                keys[number] = ShardKey(cache_entry, number, content, indices)
        return tuple(keys[number] for number in numbers)

    def _forget_other_settings(self) -> None:
        """Forget the keys of settings that are no longer in use."""
        compute, generation = self._in_use
        if compute is not self.classifier.compute or generation != self.generation:
            self._in_use = self.classifier.compute, self.generation
            self._entries.clear()
            self._keys.clear()

    def cache_entry(self, view: View) -> str:
        """Return the hash of model, view and settings; each shard adds that of its images."""
        stored = self.stored_view(view)
        self._forget_other_settings()
        if stored not in self._entries:
            self._entries[stored] = content_hash(self._settings(stored))
        return self._entries[stored]

    def files_key(self, view: View, number: int) -> str:
        """Return the hash of the files of a shard, and of how they are decoded.

        It does not depend on labels, or on generated corruptions.
        """
        files = self.contents.of_shards(view, (number,))[0].files
        if not self.is_prepared_fast(view):
            return files
        return content_hash([files, fast.VERSION, self._fast_flags(view, number) or [True]])

    def _fast_flags(self, view: View, number: int) -> list[bool]:
        """Return for each image of a mixed set's shard if fast preprocessing applies; else nothing."""
        is_mixed = len(self.fast_images(view)) > 1
        return list(map(self.suite.may_be_jpeg, self.contents.examples(view, number))) if is_mixed else []

    @property
    def libraries(self) -> dict[str, str]:
        """See `libraries_of`."""
        return libraries_of(self.classifier)

    @property
    def model_settings(self) -> dict[str, Any]:
        """Settings that identify the model, its preprocessing and how it is run."""
        identity = model_identity(self.classifier)
        # Keys of stored predictions keep an earlier word, so that these are found.
        identity["preparation"] = identity.pop("preprocessing")
        return {**identity, **self.classifier.compute.cache_settings()}

    def _settings(self, view: View) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "format": FORMAT,
            "model": self.model_settings,
            "view": str(view),
            "columns": "+".join((view.columns, *self.suite.facts.score_columns(view))),
            "crop": self.is_cropped(view),
            "spaces": [
                [space.name, space.classes, space.members, space.by]
                for space in (self.suite.space_of(view.set), *self.other_spaces(view))
            ],
        }
        if self.generation > 1:
            settings["generation"] = self.generation
        if view.attack is not None:
            settings["attack_space"] = self.protocol.attack_space
        if view.attack == "pgd":
            settings["seed"] = self.suite.sampler.seed
            if self.protocol.stops_when_fooled:
                settings["stops_when_fooled"] = True
        if self.suite.is_generated(view):
            from quba_check.suites import corruptions  # loads OpenCV: 16 MB

            settings["generator"] = [corruptions.VERSION, self.suite.sampler.seed, self.suite.encoding]
        if view.set == CUE_CONFLICT_SET:
            settings["ties"] = self.protocol.ties
        if self.is_prepared_fast(view):
            settings["fast_preprocessing"] = [fast.VERSION, list(self.fast_images(view))]
        return settings


def model_identity(classifier: Classifier) -> dict[str, Any]:
    """Return the settings that identify a model, its preprocessing and the libraries that run it."""
    preprocessing = classifier.preprocessing.as_dict()
    preprocessing.pop("source", None)
    return {
        "fingerprint": classifier.fingerprint,
        "preprocessing": preprocessing,
        "outputs": classifier.stated_outputs or classifier.output_step or None,
        "libraries": libraries_of(classifier),
    }


def libraries_of(classifier: Classifier) -> dict[str, str]:
    """Return the libraries that compute the answers of a model, with their versions."""
    return {**classifier.libraries, **library_versions()}


@cache
def library_versions() -> dict[str, str]:
    """Return the libraries of every model, with their versions."""
    return {name: version(name) for name in LIBRARIES}


def _indices(examples: Sequence[Example]) -> Sequence[int]:
    """Return the indices of examples; a range, which takes no memory, if possible."""
    indices = tuple(example.index for example in examples)
    gapless = range(indices[0], indices[0] + len(indices))
    return gapless if indices == tuple(gapless) else indices

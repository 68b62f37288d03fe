"""Stored predictions compared with the model that runs.

A fingerprint cannot hold all that an answer depends on, such as a file that a function reads. So each process
predicts a few stored images again before it uses predictions that others made. The store keeps generations of
a model's predictions: one that the model does not confirm is left alone, and the next one is used or begun.
A process that leaves a generation removes what it stored there, so that processes at one time can trust each
other's shards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from quba_check.core.view import CLEAN, CLEAN_SET, FGSM, PGD, View
from quba_check.engine.decisions import probabilities
from quba_check.engine.table_reader import TableReader
from quba_check.engine.worker import Worker
from quba_check.errors import InvariantError, ModelError, QubaError
from quba_check.messages import grouped
from quba_check.models.outputs import OUTPUT_KINDS
from quba_check.storage.shard import DamagedShardError, Origin, ShardColumns, ShardKey

CLEAN_IMAGES = 16
OTHER_IMAGES = 8
"""Images of the clean set, and of another set, that are predicted again for each place of their origins."""
TOLERANCE = {"fp32": 1e-3, "bf16": 2e-2, "fp16": 2e-2}
"""Largest difference of a probability between two passes of one model, by precision."""

Predicted = dict[tuple[str, int], ShardKey]
"""Keys of shards by cache entry and number."""


@dataclass(eq=False, repr=False)
class StoredCheck:
    """Chooses the generation of stored predictions that the model confirms.

    Attributes:
        worker: the model with its images, store and keys of shards, which state the generation in use.
        tables: reads the shards.
        predict_elsewhere: returns the columns of the first shard of a view as workers elsewhere predict it.
        own: shards that this process predicted.
        of_workers: those that workers elsewhere predicted for it. If there are any, they are compared.
    """

    worker: Worker
    tables: TableReader
    predict_elsewhere: Callable[[View], ShardColumns]
    own: Predicted = field(default_factory=dict, init=False)
    of_workers: Predicted = field(default_factory=dict, init=False)
    _seen: set[View] = field(default_factory=set, init=False)
    _confirmed: set[tuple[bool, Origin]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.classifier, self.cache_keys = self.worker.classifier, self.worker.cache_keys
        self.suite, self.store = self.worker.suite, self.worker.store

    def add(self, key: ShardKey, *, is_own: bool) -> None:
        """Add a shard that was predicted for this process, here or by a worker elsewhere."""
        if not is_own and not self.of_workers:
            self._confirmed.clear()
        (self.own if is_own else self.of_workers)[key.cache_entry, key.shard] = key

    def settle(self, views: Sequence[View], *, again: bool = False) -> bool:
        """Use the first generation that the model confirms, for stored views of a run.

        Args:
            views: stored views that will be read.
            again: look again for shards of views that had none.

        Returns:
            True if the generation changed; keys and the kind of outputs then start afresh.

        Raises:
            InvariantError: two passes of the model differ, so that nothing can be confirmed.
            ModelError: workers elsewhere answer differently than this process.
            QubaError: an image or the store fails.
        """
        clean = self._clean  # always read again: others may have stored images meanwhile
        given = {*views, *clean}
        views = [view for view in given if again or view not in self._seen or view in clean]
        first = self.cache_keys.generation
        while difference := self._difference(views):
            self.store.remove(*self.own.values(), *self.of_workers.values())
            self.own.clear()
            if self.of_workers:
                raise ModelError(
                    f"workers elsewhere answer differently than this process: {difference}. Give them "
                    "the same files, environment variables and libraries.",
                    where=self.classifier.spec,
                )
            number = self.cache_keys.generation
            self.cache_keys.generation = number + 1
            self.classifier.outputs = self.classifier.stated_outputs
            views = list(given)
            self.restart()
            self.tables.notes.append(
                f"{self.classifier.name}: the stored predictions of generation {number} are not used: "
                f"{difference}. Generation {number + 1} is used instead"
            )
        self._seen.update(views)
        return self.cache_keys.generation != first

    def restart(self) -> None:
        """Compare all views again, under other keys of their shards."""
        self._confirmed.clear()
        self._seen.clear()
        self.tables.forget()

    @property
    def _clean(self) -> list[View]:
        """Views of the clean set, compared even if the run does not need it."""
        stored = self.cache_keys.stored_view(CLEAN)
        return [stored, replace(stored, logits=False)] if self.suite.missing(CLEAN) is None else []

    def _difference(self, views: Sequence[View]) -> str:
        """Return how stored predictions differ from the model's; empty if they agree."""
        for is_clean, most in ((True, CLEAN_IMAGES), (False, OTHER_IMAGES)):
            candidates = [
                view for view in views if view.attack is None and (view.set == CLEAN_SET) == is_clean
            ]
            for view in sorted(candidates, key=self.cache_keys.cache_entry):
                difference = self._compare(view, is_clean, most)
                if difference:
                    return difference
        # Once this process has stored clean images, others compare their answers with them.
        clean = set(map(self.cache_keys.cache_entry, self._clean))
        attacked = {*map(self.cache_keys.stored_view, (FGSM, PGD)), *(view for view in views if view.attack)}
        if self._confirmed or not clean or any(entry in clean for entry, _ in self.own):
            return ""
        if not any(map(self._others, attacked)):
            return ""
        if not self.of_workers:
            return "they are those of attacked images alone, which cannot be compared"
        view = self._clean[0]
        key = self.cache_keys.shard_key(self._clean[0], 0)
        digests = self.cache_keys.contents.image_digests(view, 0)
        rows = np.sort(_sample(digests, range(len(digests)), CLEAN_IMAGES))
        difference = self._compared(view, [key], self.predict_elsewhere(view), rows)
        self._confirmed |= set() if difference else {(True, Origin())}
        return difference

    def changed(self, view: View, answers: ShardColumns, stored: ShardColumns) -> NDArray[np.bool_]:
        """Return the images of a shard whose fresh answer differs from the stored one, (n,).

        Under an attack it is the top-1 answer that counts: its probabilities depend on the last bits.
        """
        if view.attack is not None:
            return np.not_equal(answers["top1"], stored["top1"])
        return _largest_difference(answers, stored) > self._tolerance

    @property
    def _tolerance(self) -> float:
        return TOLERANCE[self.classifier.compute.precision]

    def _others(self, view: View) -> list[ShardKey]:
        """Return the keys of stored shards of a view that other processes predicted."""
        keys = self.cache_keys
        if not self.store.has_entry(keys.cache_entry(view)):
            return []
        try:
            own = keys.shard_keys(view)
        except QubaError:  # the dimension that needs the set reports it
            return []
        missing = {key.shard for key in self.store.missing(own)}
        stored = {(key.cache_entry, key.shard): key for key in own if key.shard not in missing}
        compared = self.of_workers or stored.keys() - self.own
        return [key for place, key in stored.items() if place in compared]

    def _compare(self, view: View, is_clean: bool, most: int) -> str:
        """Return how answers differ from stored ones of a view; empty if none differs.

        Images of each place of origin that was not confirmed yet are compared.

        Raises:
            InvariantError: two passes of the model differ.
        """
        while keys := self._others(view):
            if self._confirmed.issuperset((is_clean, origin.place) for origin in self.store.origins(keys)):
                break
            try:
                stored = self.tables.shards(view, [key.shard for key in keys])
            except DamagedShardError:  # it was removed
                continue
            digests = [self.cache_keys.contents.image_digests(view, key.shard) for key in keys]
            places = [(is_clean, origin.place) for origin in stored.origins]
            of_rows = [place for place, own in zip(places, digests, strict=True) for _ in own]
            groups = grouped((place, row) for row, place in enumerate(of_rows))
            new = groups.keys() - self._confirmed
            if not new:  # the shards were packed meanwhile, so that their headers were not found
                break
            rows = [_sample(np.concatenate(digests), groups[place], most) for place in new]
            known = self.classifier.outputs
            kind = stored.metadata.get("outputs")
            self.classifier.outputs = known or next(name for name in OUTPUT_KINDS if name == kind)
            try:
                difference = self._compared(view, keys, stored.columns, np.sort(np.concatenate(rows)))
            finally:
                self.classifier.outputs = known
            self._confirmed |= set() if difference else new
            return difference
        return ""

    def _compared(
        self, view: View, keys: Sequence[ShardKey], columns: ShardColumns, rows: NDArray[np.int64]
    ) -> str:
        """Return how answers differ from rows of the columns of shards; empty if none differs."""
        listed = [example for key in keys for example in self.cache_keys.contents.examples(view, key.shard)]
        examples = [listed[row] for row in rows]
        stored = {name: column[rows] for name, column in columns.items()}
        try:
            answers, logits = self.worker.predict_again(view, examples, False)
        except ModelError as error:  # a kind of outputs, or a failure that the predictions then report
            return str(error)
        difference = _largest_difference(answers, stored)
        changed = difference > self._tolerance
        if self.suite.facts.spaces.get(view.set) is None:
            highest = probabilities(logits).topk(2).values
            is_clear = (highest[:, 0] - highest[:, 1] > self._tolerance).cpu().numpy()
            changed |= is_clear & (answers["top1"] != stored["top1"])
        if not changed.any():
            return ""
        repeated = _largest_difference(answers, self.worker.predict_again(view, examples, True)[0]).max()
        if repeated > self._tolerance:
            raise InvariantError(
                f"two passes over the same {len(examples)} images differ by {repeated:.3g} in a "
                f"probability, allowed {self._tolerance:g}, so that stored predictions cannot be "
                "compared with the model. Draw no random numbers in forward(), or name an empty "
                "store with --quba-store.",
                where=self.classifier.spec,
            )
        return (
            f"{changed.sum()} of {len(examples)} images of {view} have another answer now (a probability "
            f"differs by {difference.max():.3g}, allowed {self._tolerance:g})"
        )


def _sample(digests: NDArray[np.int64], rows: Sequence[int], most: int) -> NDArray[np.int64]:
    """Return some of the rows, of different images, chosen by their digests."""
    first = np.unique(digests[rows], return_index=True)[1]
    return np.asarray(rows)[first[:most]]


def _largest_difference(answers: ShardColumns, others: ShardColumns) -> NDArray[np.float64]:
    """Return the largest difference of a probability of each image, (n,) in [0, 1]."""
    names = [name for name in answers if name.startswith(("confidence", "true_prob", "probabilities"))]
    pairs = [(answers[name], others[name]) for name in names if name in others]
    gaps = [
        np.abs(np.nan_to_num(column - other)).reshape(len(column), -1).max(axis=1) for column, other in pairs
    ]
    largest: NDArray[np.float64] = np.max(gaps, axis=0)
    return largest

"""Tables of predictions, joined from stored shards."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, UNKNOWN_PREFIX, View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.decisions import ShardArrays, check_columns
from quba_check.models.outputs import OUTPUT_KINDS
from quba_check.storage.shard import DamagedShardError, Origin, Shard, ShardKey
from quba_check.storage.store import Store
from quba_check.suites.contents import acceptable

_FIELDS = ("index", "label", "top1", "confidence", "true_probability", "probabilities", "group", "acceptable")


class TableReader:
    """Reads tables of predictions, packs their shards, and removes damaged ones.

    Args:
        store: the store of the shards.
        cache_keys: keys of the shards.

    Attributes:
        notes: notes for the record, such as on damaged shards that were removed.
        origins: the origins of the answers in tables, and their numbers of images, by cache entry.
    """

    def __init__(self, store: Store, cache_keys: CacheKeys) -> None:
        self.notes: list[str] = []
        self.origins: dict[str, list[tuple[Origin, int]]] = {}
        self._store = store
        self._cache_keys = cache_keys
        self._clean: ShardArrays | None = None
        self._last: tuple[Sequence[ShardKey], Shard] | None = None

    def predictions(self, view: View) -> Predictions:
        """Return the predictions of a view whose shards are all stored.

        Args:
            view: the view; its `space` is the label space of labels and predictions.

        Raises:
            DamagedShardError: a shard is missing or damaged; it has been removed.
        """
        return self._predictions(self._table(self._cache_keys.stored_view(view)), view)

    def first_predictions(self, view: View) -> Predictions:
        """Return the predictions of the first shard of a view, without groups; see `predictions`."""
        stored = self._cache_keys.stored_view(view)
        table = dict(self.shard(stored, 0).columns)
        table |= acceptable(self._cache_keys.contents.examples(stored, 0))
        return self._predictions(table, view)

    def _predictions(self, table: ShardArrays, view: View) -> Predictions:
        declared = self._cache_keys.suite.facts.spaces.get(view.set)
        suffix = "" if view.space in (None, declared) else f"@{view.space}"
        return Predictions(
            index=table["index"],
            label=table[f"label{suffix}"],
            predicted=table[f"top1{suffix}"],
            confidence=table[f"confidence{suffix}"],
            true_probability=table[f"true_probability{suffix}"],
            probabilities=None if suffix else table.get("probabilities"),
            extra={name: column for name, column in table.items() if name not in _FIELDS and "@" not in name},
            group=table.get("group"),
            acceptable=None if suffix else table.get("acceptable"),
        )

    def shard(self, stored: View, number: int) -> Shard:
        """Return a shard of a stored view.

        A damaged shard is removed and named in `notes`.

        Raises:
            DamagedShardError: it is missing or damaged.
        """
        key = self._cache_keys.shard_key(stored, number)
        try:
            shard = self._store.read(key)
            self._check(stored, shard)
        except DamagedShardError as error:
            if not self._store.has(key):  # another process removed it first
                raise
            self.notes.append(f"damaged shard predicted again: {error}")
            self._store.remove(key)
            raise
        return shard

    def _check(self, stored: View, shard: Shard) -> None:
        kinds = self._cache_keys.columns(stored)
        defect = check_columns(shard.columns, kinds, classes=len(self._cache_keys.suite.classes))
        if defect is None and shard.metadata.get("outputs") not in OUTPUT_KINDS:
            defect = "the kind of the outputs is missing"
        if defect is not None:
            raise DamagedShardError(defect, where=shard.label)

    def forget(self) -> None:
        """Read everything again at the next request."""
        self._clean = self._last = None

    def _table(self, stored: View) -> ShardArrays:
        """Return the rows of a view; cache the clean set, which all dimensions use."""
        is_clean = stored == self._cache_keys.stored_view(CLEAN)
        if is_clean and self._clean is not None:
            return self._clean
        keys = self._cache_keys.shard_keys(stored)  # reads the digests of all files at once
        contents = self._cache_keys.contents
        numbers = contents.shards(stored)
        self._store.pack(keys, shard := self.shards(stored, numbers))
        sizes = (len(key.indices) for key in keys)
        self.origins[keys[0].cache_entry] = list(zip(shard.origins, sizes, strict=True))
        table = dict(shard.columns)
        self._last = None
        if is_clean or stored.set.startswith(UNKNOWN_PREFIX):  # tables of measurements name these images
            examples = (contents.examples(stored, number) for number in numbers)
            table["name"] = np.array([example.full_name for example in chain.from_iterable(examples)])
        # Attacks start from the label, which alone is right then, so that robustness is never overstated.
        columns = contents.columns(stored).items()
        table |= {name: column for name, column in columns if name == "group" or stored.attack is None}
        if is_clean:
            self._clean = table
        return table

    def shards(self, stored: View, numbers: Sequence[int]) -> Shard:
        """Return shards of a stored view, joined in their order.

        They are kept for a table that is read next, so that comparing stored predictions costs no reading.

        Raises:
            DamagedShardError: one is missing or damaged; it has been removed.
        """
        keys = self._cache_keys.shard_keys(stored, numbers)
        if self._last is None or self._last[0] != keys:
            self._last = keys, self._read(stored, keys)
        return self._last[1]

    def _read(self, stored: View, keys: Sequence[ShardKey]) -> Shard:
        with contextlib.suppress(DamagedShardError):
            whole = self._store.read(*keys)
            self._check(stored, whole)
            return whole
        # The shards are read one by one to find the damaged one.
        parts = [self.shard(stored, key.shard) for key in keys]
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
        origins = tuple(origin for part in parts for origin in part.origins)
        return replace(parts[0], columns=columns, origins=origins)

"""Tables of predictions, put together from the shards of a store."""

from __future__ import annotations

import numpy as np

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.decisions import check_columns
from quba_check.engine.predict import Rows
from quba_check.models.outputs import OUTPUT_KINDS
from quba_check.storage.store import Columns, DamagedShardError, Shard, ShardKey, Store

_FIELDS = ("index", "label", "top1", "confidence", "true_probability", "probabilities")


class TableReader:
    """Reads tables and says what had to be thrown away.

    Args:
        store: where shards are kept.
        cache_keys: which shards a view has.

    Attributes:
        repaired: what was damaged, removed, and has to be made again; for the record.
    """

    def __init__(self, store: Store, cache_keys: CacheKeys) -> None:
        self.repaired: list[str] = []
        self._store = store
        self._cache_keys = cache_keys
        self._clean: Rows | None = None

    def predictions(self, view: View, declared: str | None, shards: range | None = None) -> Predictions:
        """The predictions of a view, whose shards are there.

        Args:
            view: the view; its `space` says in which label space labels and answers are read.
            declared: the label space that the view's set declares.
            shards: those to read, whose rows stay in the order in which they were drawn; by default all.

        Raises:
            DamagedShardError: a shard is absent or damaged; it has been removed.
        """
        table = self._table(self._cache_keys.stored_view(view), shards)
        suffix = "" if view.space in (None, declared) else f"@{view.space}"
        return Predictions(
            index=table["index"],
            label=table[f"label{suffix}"],
            predicted=table[f"top1{suffix}"],
            confidence=table[f"confidence{suffix}"],
            true_probability=table[f"true_probability{suffix}"],
            probabilities=None if suffix else table.get("probabilities"),
            extra={name: column for name, column in table.items() if name not in _FIELDS and "@" not in name},
        )

    def defect(self, stored: View, columns: Columns) -> str | None:
        """Return the defect of a stored view's columns; see `check_columns`."""
        return check_columns(columns, self._cache_keys.columns(stored), classes=self._cache_keys.classes)

    def shard(self, stored: View, number: int) -> Shard:
        """Return a shard of a stored view.

        A damaged shard is removed and named in `repaired`.

        Raises:
            DamagedShardError: it is absent or damaged.
        """
        key = self._cache_keys.shard_key(stored, number)
        try:
            shard = self._store.read(key)
            self._check(stored, key, shard)
        except DamagedShardError as error:
            if not self._store.has(key):  # another process found it first
                raise
            self.repaired.append(f"damaged artefact made again: {error}")
            self._store.remove(key)
            raise
        return shard

    def _check(self, stored: View, key: ShardKey, shard: Shard) -> None:
        defect = self.defect(stored, shard.columns)
        if defect is None and shard.about.get("outputs") not in OUTPUT_KINDS:
            defect = "it does not say what the outputs are"
        if defect is not None:
            raise DamagedShardError(f"{self._store.path(key)}: {defect}")

    def forget(self) -> None:
        """Read the clean set anew when it is asked for again."""
        self._clean = None

    def _table(self, stored: View, shards: range | None) -> Rows:
        """The rows of shards, of all by index; the whole clean set, which all ask for, is kept."""
        is_clean = shards is None and stored == self._cache_keys.stored_view(CLEAN)
        if is_clean and self._clean is not None:
            return self._clean
        numbers = self._cache_keys.shards(stored)
        if shards is not None:
            numbers = numbers[shards.start : shards.stop]
        parts = [self.shard(stored, number).columns for number in numbers]
        table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if shards is None and (np.diff(table["index"]) < 0).any():  # drawn in random order
            order = np.argsort(table["index"])
            table = {name: column[order] for name, column in table.items()}
        if is_clean:
            self._clean = table
        return table

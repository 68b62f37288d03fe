"""Values computed once for each image content, cached between runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from quba_check.storage.file_digests import ContentDigests

ImageValues = tuple[int, float, float, int]
"""Signed perceptual hash, brightness, sharpness and size of an image."""
_TABLE = """CREATE TABLE IF NOT EXISTS image_values_1 (
    content TEXT PRIMARY KEY, hash INTEGER, brightness REAL, sharpness REAL, size INTEGER
) WITHOUT ROWID"""
"""The number in the name changes with the definition of a value."""
_STORED = """SELECT content, hash, brightness, sharpness, size
    FROM json_each(?) CROSS JOIN image_values_1 ON content = value"""


class StoredImageValues:
    """Values by image content, next to the digests of files.

    Args:
        digests: the cache of digests, whose file holds the values too.
    """

    def __init__(self, digests: ContentDigests) -> None:
        self._digests = digests

    def read(self, contents: Collection[str]) -> dict[str, ImageValues]:
        """Return the stored values of contents; others are missing.

        Raises:
            StoreError: the cache cannot be read.
        """
        with self._connection() as connection:
            rows = connection.execute(_STORED, (json.dumps([*contents]),))
            return {content: tuple(values) for content, *values in rows}

    def write(self, values: Mapping[str, ImageValues]) -> None:
        """Store values by content.

        Raises:
            StoreError: the cache cannot be written.
        """
        with self._connection() as connection, connection:
            connection.executemany(
                "INSERT OR REPLACE INTO image_values_1 VALUES (?, ?, ?, ?, ?)",
                [(content, *one) for content, one in values.items()],
            )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._digests.connection() as connection:
            connection.execute(_TABLE)
            yield connection

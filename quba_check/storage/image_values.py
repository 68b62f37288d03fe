"""Values computed once for each image content, cached between runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from quba_check.storage.file_digests import ContentDigests

ImageValues = tuple[int, float, float, int]
"""Signed perceptual hash, brightness, sharpness and size of an image."""
_STORED = """SELECT content, hash, brightness, sharpness, size
    FROM json_each(?) CROSS JOIN image_values_1 ON content = value"""


def read_values(digests: ContentDigests, contents: Collection[str]) -> dict[str, ImageValues]:
    """Return the stored values of contents; others are missing.

    Raises:
        StoreError: the cache cannot be read.
    """
    with digests.connection() as connection:
        rows = connection.execute(_STORED, (json.dumps([*contents]),))
        return {content: tuple(values) for content, *values in rows}


def write_values(digests: ContentDigests, values: Mapping[str, ImageValues]) -> None:
    """Store values by content.

    Raises:
        StoreError: the cache cannot be written.
    """
    with digests.connection() as connection, connection:
        connection.executemany(
            "INSERT OR REPLACE INTO image_values_1 VALUES (?, ?, ?, ?, ?)",
            [(content, *one) for content, one in values.items()],
        )

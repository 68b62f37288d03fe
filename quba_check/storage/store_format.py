"""The format of a store, so that other versions refuse it with a reason."""

from __future__ import annotations

import json

from quba_check.errors import StoreError
from quba_check.storage.json_text import parse_json

FORMAT = 1
"""Stores without the file are of earlier versions: this version reads their records."""
FORMAT_NAME = "format.json"
FORMAT_CONTENT = json.dumps({"format": FORMAT}).encode()


def check_format(content: bytes, place: str) -> None:
    """Check the content of a format file.

    Args:
        content: the content.
        place: the store, for messages.

    Raises:
        StoreError: the store is of a later version, or the file is damaged.
    """
    try:
        number = parse_json(content)["format"]
    except (ValueError, KeyError, TypeError):
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise StoreError(
            f"--quba-store: {place}/{FORMAT_NAME} is damaged. Allowed: a JSON object with the key 'format'. "
            "Remove the file if this version wrote the store."
        )
    if number > FORMAT:
        raise StoreError(
            f"--quba-store: {place} has format {number} of a later version of quba-check. Allowed: up to "
            f"format {FORMAT}. Update quba-check, or name another store."
        )

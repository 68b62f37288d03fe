"""The content of a store as tables and JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from quba_check.messages import grouped
from quba_check.number_format import format_age, format_bytes
from quba_check.reports.tables import json_text, table_text, terminal_width, wrapped
from quba_check.storage.inventory import EntryKind, Inventory, PruneConditions, Removal, model_rows

UNKNOWN = "(damaged)"
"""Model of files whose header cannot be read."""
_HEADINGS = ("model", "views", "images", "size", "last change")
_REMOVALS = ("kind", "model", "files", "size", "last change")
_KINDS = {"images": "prepared images", "copies": "copies of data"}


def inventory_table(location: str, inventory: Inventory) -> str:
    """Return the models of a store as a table, with its size below."""
    rows = [
        (
            UNKNOWN if row.model is None else row.model,
            f"{len(row.views):,}",
            f"{row.images:,}",
            format_bytes(row.size),
            _ago(row.modified),
        )
        for row in model_rows(inventory)
    ]
    table = table_text(_HEADINGS, rows, _HEADINGS[1:], cut=["model"], width=terminal_width()) if rows else ""
    sizes = ", ".join(f"{name} {format_bytes(size)}" for name, size in _sizes(inventory).items())
    lines = [f"{location}: {format_bytes(inventory.size())} ({sizes})"]
    damaged = sum(each.model is None for each in inventory.of("predictions"))
    if damaged:
        files = "1 file is" if damaged == 1 else f"{damaged:,} files are"
        lines.append(f"{files} damaged; see quba-check store verify")
    return table + wrapped(lines, terminal_width())


def inventory_json(location: str, inventory: Inventory) -> str:
    """Return the models of a store as JSON."""
    content = {
        "store": location,
        "bytes": {"total": inventory.size()}
        | {name.replace(" ", "_"): size for name, size in _sizes(inventory).items()},
        "models": [
            {
                "model": row.model,
                "views": list(row.views),
                "cache_entries": row.entries,
                "images": row.images,
                "bytes": row.size,
                "last_change": iso_time(row.modified),
            }
            for row in model_rows(inventory)
        ],
    }
    return json_text(content, is_ascii=True)


def prune_text(
    location: str,
    inventory: Inventory,
    selected: Sequence[Removal],
    conditions: PruneConditions,
    *,
    is_dry: bool,
) -> str:
    """Return the selected files by kind and model, and the store's size afterwards."""
    rows = list(_removal_rows(selected))
    table = table_text(_REMOVALS, rows, _REMOVALS[2:], cut=["model"], width=terminal_width()) if rows else ""
    size = sum(each.size for each in selected)
    left = inventory.size() - size
    lines = [f"{location}: removed {format_bytes(size)}; {format_bytes(left)} left"]
    if not selected:
        lines = [f"{location}: nothing to remove"]
    elif is_dry:
        removable = f"{format_bytes(size)} of {format_bytes(inventory.size())} can be removed"
        lines = [f"{location}: {removable}. Nothing was removed; --yes removes it."]
    if conditions.larger_than is not None and left > conditions.larger_than:
        kept = "records, what changed within --older-than (default: 1w), and data used within a week"
        lines.append(f"{format_bytes(left)} left are more than --larger-than; kept: {kept}")
    return table + wrapped(lines, terminal_width())


def iso_time(seconds: float) -> str:
    """Return a Unix time in UTC.

    >>> iso_time(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _removal_rows(selected: Sequence[Removal]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each kind and model, in the order of the removals."""
    groups = grouped(((each.kind, each.model), each) for each in selected)
    for (kind, model), several in groups.items():
        yield (
            _KINDS.get(kind, kind),
            model,
            f"{sum(len(each.files) for each in several):,}",
            format_bytes(sum(each.size for each in several)),
            _ago(max(each.modified for each in several)),
        )


def _sizes(inventory: Inventory) -> dict[str, int]:
    """Return the bytes of a store by kind."""
    kinds: list[EntryKind] = ["predictions", "records", "images", "copies", "other"]
    selected = [kind for kind in kinds if kind != "copies" or inventory.of(kind)]
    return {_KINDS.get(kind, kind): inventory.size(kind) for kind in selected}


def _ago(modified: float) -> str:
    return f"{format_age(time.time() - modified)} ago"

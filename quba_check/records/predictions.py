"""The part of a record on the origin of its answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import AliasChoices, Field

from quba_check.messages import grouped
from quba_check.records.measurement import JsonRow, RecordCount
from quba_check.storage.shard import Origin

SPAN = ".."
"""Between the first and the last day of answers."""


class OriginRow(JsonRow):
    """Reused answers of one origin; texts are empty if an earlier version stored the answers.

    Attributes:
        device: kind of the device, such as `cuda`.
        version: versions of quba-check and of the libraries behind the answers.
        when: the day in UTC, or the first and the last one, such as `2026-11-28..2026-11-30`.
        images: number of answers.
    """

    device: str = ""
    version: str = ""
    when: str = ""
    images: RecordCount


class PredictionsRow(JsonRow):
    """The origin of the answers behind a record, each an image of a view.

    Attributes:
        made_here: number of answers that this run predicted.
        reused: number of answers that other runs stored.
        origins: the origins of reused answers.
        fresh: every answer was predicted after the start of this run.
        compared: number of stored answers that fresh ones replaced.
        differing: number of these that differ from the fresh ones.
    """

    made_here: RecordCount = 0
    reused: RecordCount = 0
    origins: tuple[OriginRow, ...] = Field(
        default=(), validation_alias=AliasChoices("from", "origins"), serialization_alias="from"
    )
    fresh: bool = True
    compared: RecordCount = 0
    differing: RecordCount = 0

    @property
    def text(self) -> str:
        """Numbers and origins: `3,500 answers, 3,244 of them reused (cuda, 2026-11-30)`."""
        answers = f"{self.made_here + self.reused:,} answers"
        if not self.reused:
            return f"{answers}, all predicted by this run"
        names = dict.fromkeys(
            f"{origin.device}, {origin.when}" if origin.device else "unknown origin"
            for origin in self.origins
        )
        number = f"{self.reused:,} of them" if self.made_here else "all"
        return f"{answers}, {number} reused ({'; '.join(names)})"


def predictions_row(origin: Origin, images: int, run: str) -> PredictionsRow:
    """Return the row of a shard for a run, which is identified by its start."""
    if origin.run == run:
        return PredictionsRow(made_here=images)
    day = origin.time.partition("T")[0]
    row = OriginRow(device=origin.device, version=origin.versions, when=day, images=images)
    return PredictionsRow(reused=images, origins=(row,), fresh=origin.is_since(run))


def merged(rows: Iterable[PredictionsRow]) -> PredictionsRow:
    """Return the sum of rows on different answers."""
    rows = list(rows)
    places = grouped(((origin.device, origin.version), origin) for row in rows for origin in row.origins)
    return PredictionsRow(
        made_here=sum(row.made_here for row in rows),
        reused=sum(row.reused for row in rows),
        origins=tuple(
            OriginRow(
                device=device, version=version, when=_days(parts), images=sum(part.images for part in parts)
            )
            for (device, version), parts in places.items()
        ),
        fresh=all(row.fresh for row in rows),
        compared=sum(row.compared for row in rows),
        differing=sum(row.differing for row in rows),
    )


def _days(rows: Sequence[OriginRow]) -> str:
    """Return the first and the last day of rows, or the only one."""
    days = sorted(day for row in rows for day in row.when.split(SPAN))
    return SPAN.join(dict.fromkeys((days[0], days[-1])))

"""The part of a record on the origin of its answers."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import AliasChoices, Field

from quba_check.messages import grouped
from quba_check.records.measurement import Count, JsonRow
from quba_check.storage.shard import Origin

SPAN = ".."
"""Between the first and the last day of answers."""


class OriginRow(JsonRow):
    """Reused answers of one origin; texts are empty if an earlier version stored the answers.

    Attributes:
        device: kind of the device, such as `cuda`.
        processor: model name of the GPU or CPU.
        precision: number format of the passes.
        version: versions of quba-check and of the libraries behind the answers.
        when: the day in UTC, or the first and the last one, such as `2026-11-28..2026-11-30`.
        images: number of answers.
    """

    device: str = ""
    processor: str = ""
    precision: str = ""
    version: str = ""
    when: str = ""
    images: Count


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

    made_here: Count = 0
    reused: Count = 0
    origins: tuple[OriginRow, ...] = Field(
        default=(), validation_alias=AliasChoices("from", "origins"), serialization_alias="from"
    )
    fresh: bool = True
    compared: Count = 0
    differing: Count = 0

    @property
    def text(self) -> str:
        """Numbers and origins: `3,500 answers, 3,244 of them reused (cuda, 2026-11-30)`."""
        answers = f"{self.made_here + self.reused:,} answers"
        if not self.reused:
            return f"{answers}, all predicted by this run"
        names = dict.fromkeys(
            f"{one.device}, {one.when}" if one.device else "unknown origin" for one in self.origins
        )
        number = f"{self.reused:,} of them" if self.made_here else "all"
        return f"{answers}, {number} reused ({'; '.join(names)})"


def origin_row(origin: Origin, images: int) -> OriginRow:
    """Return the row of stored answers."""
    return OriginRow(
        device=origin.device,
        processor=origin.processor,
        precision=origin.precision,
        version=origin.versions,
        when=origin.time.partition("T")[0],
        images=images,
    )


def merged(rows: Iterable[PredictionsRow]) -> PredictionsRow:
    """Return the sum of rows on different answers."""
    rows = list(rows)
    places = grouped(
        (one.model_copy(update={"when": "", "images": 0}), one) for row in rows for one in row.origins
    )
    origins = []
    for place, parts in places.items():
        days = sorted({day for one in parts for day in one.when.split(SPAN)})
        when = SPAN.join(dict.fromkeys((days[0], days[-1])))
        origins.append(place.model_copy(update={"when": when, "images": sum(one.images for one in parts)}))
    counts = {
        name: sum(getattr(row, name) for row in rows)
        for name in ("made_here", "reused", "compared", "differing")
    }
    return PredictionsRow(origins=tuple(origins), fresh=all(row.fresh for row in rows), **counts)

"""Rows on the origin of answers: merged, in words, and absent in older records."""

from dataclasses import replace

import pytest
from support.tuned import record

from quba_check.records.predictions import OriginRow, PredictionsRow, merged, predictions_row
from quba_check.records.record import Record
from quba_check.storage.shard import Origin

GPU = Origin(
    "cuda", "NVIDIA H100", "bf16", "quba-check 0.3.0, torch 2.9.1", "x", "2026-11-30T08:00:00.0+00:00"
)
RUN = "2026-12-01T08:00:00.0+00:00"


def stored(day: str, images: int, device: str = "cuda") -> OriginRow:
    return OriginRow(device=device, when=day, images=images)


def reused(*origins: OriginRow, made_here: int = 0) -> PredictionsRow:
    images = sum(one.images for one in origins)
    return PredictionsRow(made_here=made_here, reused=images, origins=origins, fresh=False)


def test_answers_of_one_place_are_one_row_over_their_days() -> None:
    rows = [reused(stored("2026-11-30", 2), stored("2026-11-28", 3)), reused(stored("2026-12-01", 4))]
    assert merged(rows) == reused(stored("2026-11-28..2026-12-01", 9))
    assert merged([merged(rows), reused(stored("2026-11-29", 1))]).origins == (
        stored("2026-11-28..2026-12-01", 10),
    )


def test_answers_of_another_run_are_reused_and_fresh_only_since_the_start_of_this_one() -> None:
    day = OriginRow(device="cuda", version="quba-check 0.3.0, torch 2.9.1", when="2026-11-30", images=4)
    assert predictions_row(GPU, 4, RUN) == reused(day)
    past = replace(GPU, time="2020-11-30T08:00:00.0+00:00")
    assert predictions_row(past, 4, "2020-11-30T07").fresh
    assert not predictions_row(replace(past, time="9999-01-01T08:00:00.0+00:00"), 4, "2020-11-30T07").fresh
    assert predictions_row(GPU, 4, "x") == PredictionsRow(made_here=4)


def test_a_sum_is_fresh_if_all_its_rows_are() -> None:
    row = PredictionsRow(made_here=5, compared=4, differing=1)
    assert merged([row, row]) == PredictionsRow(made_here=10, compared=8, differing=2)
    assert not merged([row, reused(stored("2026-11-30", 2))]).fresh


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (PredictionsRow(made_here=3500), "3,500 answers, all predicted by this run"),
        (
            reused(stored("2026-11-30", 3244), made_here=256),
            "3,500 answers, 3,244 of them reused (cuda, 2026-11-30)",
        ),
        (
            reused(stored("2026-11-28..2026-11-30", 2), stored("2026-12-01", 1, "cpu")),
            "3 answers, all reused (cuda, 2026-11-28..2026-11-30; cpu, 2026-12-01)",
        ),
        (predictions_row(Origin(), 1, RUN), "1 answers, all reused (unknown origin)"),
    ],
)
def test_in_words(row: PredictionsRow, text: str) -> None:
    assert row.text == text


def test_records_keep_the_row_under_the_keys_of_the_format() -> None:
    row = merged([predictions_row(GPU, 3244, RUN), PredictionsRow(made_here=256)])
    text = record().model_copy(update={"predictions": row}).to_json()
    assert '"made_here": 256,' in text
    assert '"from": [' in text
    assert Record.model_validate_json(text).predictions == row
    assert record().predictions is None

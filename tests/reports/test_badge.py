"""The badge: its words, contrast, widths and escapes."""

from __future__ import annotations

from typing import get_args
from xml.etree import ElementTree

import pytest
from support.contrast import contrast
from support.rows import GRADE, VERDICT
from support.tuned import record

from quba_check.records.record import Record
from quba_check.records.verdict import OverallVerdict
from quba_check.reports.ci import COLOURS, LABEL_COLOUR, badge_svg

SVG = "{http://www.w3.org/2000/svg}"


def parsed(run: Record) -> ElementTree.Element:
    return ElementTree.fromstring(badge_svg(run))  # noqa: S314  our own file


def words(run: Record) -> list[str | None]:
    return [text.text for text in parsed(run).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("outcome", "grades", "message"),
    [
        ("pass", ["A"], "pass, grade A"),
        ("fail", ["B"], "fail, grade B"),
        ("uncertain", [None], "uncertain"),
        ("skipped", [], "not judged"),
        ("pass", ["C", "A", "C"], "pass, grades C and A"),
    ],
)
def test_words(outcome: str, grades: list[str | None], message: str) -> None:
    run = record(
        verdicts=[VERDICT | {"outcome": outcome}], grades=[GRADE | {"letter": letter} for letter in grades]
    )
    assert words(run) == ["QUBA", message]
    title = f"QUBA: {message} (r50 on tiny, protocol standard)"
    assert parsed(run).findtext(f"{SVG}title") == parsed(run).get("aria-label") == title


@pytest.mark.parametrize("colour", sorted({*COLOURS.values(), LABEL_COLOUR}))
def test_contrast_of_white_text(colour: str) -> None:
    assert contrast(colour, "#ffffff") >= 4.5


def test_every_verdict_has_a_colour() -> None:
    assert set(COLOURS) == set(get_args(OverallVerdict))


def test_boxes_are_next_to_each_other() -> None:
    root = parsed(record(verdicts=[VERDICT], grades=[GRADE]))
    first, second = root.iter(f"{SVG}text")
    assert float(first.attrib["x"]) + float(first.attrib["textLength"]) + 12 == float(second.attrib["x"])
    assert float(second.attrib["x"]) + float(second.attrib["textLength"]) + 6 == float(root.attrib["width"])


def test_hostile_names() -> None:
    name = "</title><script>alert('\"')</script>\x00\x1b\ud800&"
    run = record(model=record().model.model_copy(update={"name": name}).model_dump())
    assert "<script" not in badge_svg(run)
    assert parsed(run).findtext(f"{SVG}title") == (
        "QUBA: not judged (</title><script>alert('\"')</script>\\x00\\x1b\\ud800& on tiny, protocol standard)"
    )


def test_equal_records_have_equal_badges() -> None:
    assert badge_svg(record(verdicts=[VERDICT])) == badge_svg(
        Record.model_validate_json(record(verdicts=[VERDICT]).to_json())
    )

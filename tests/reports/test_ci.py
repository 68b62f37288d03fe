"""Annotations: at most ten, blocking demands first, every character escaped; and the badge."""

import re
from typing import get_args
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contrast import contrast
from support.rows import GRADE, VERDICT
from support.rows import verdict as row
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.core.explanation import Explanation
from quba_check.records.record import Record
from quba_check.records.verdict import OverallVerdict, VerdictRow
from quba_check.reports.ci import (
    COLOURS,
    LABEL_COLOUR,
    LEVELS,
    badge_svg,
    github_commands,
    gitlab_report,
    unmet_demands,
)

SOURCE = "https://gitlab.example/p/-/blob/abc"


def in_repository(verdict: VerdictRow) -> str | None:
    return verdict.file


def test_commands(snapshot: SnapshotAssertion) -> None:
    """Properties and texts are escaped; met demands have none; no run without a release is silent."""
    hostile = record().model.model_dump() | {"name": "a:b,c\n::error::100%"}
    unmet = [
        row(
            explanation=Explanation(
                "accuracy 0.900 is below 0.950 (short by 0.050)", details=("95 % interval 0.88 to 0.92",)
            )
        ),
        row(outcome="uncertain", policy="fail"),
        row(outcome="unmeasurable"),
        row(outcome="not run"),
        row(tier="warn"),
        row(tier="warn", outcome="not run"),
        row(tier="info", outcome="unmeasurable"),
        row(tier="warn", outcome="uncertain", policy="fail"),
    ]
    met = [row(outcome=outcome, policy="allow") for outcome in ("pass", "skipped", "uncertain")]
    records = [
        record(verdicts=[*unmet, row(outcome="pass")]),
        record(
            verdicts=[row(file="my, file:1.yaml", explanation=Explanation("x\r\n::set-output name=y::z"))],
            model=hostile,
        ),
        record(),
        record(verdicts=[row(outcome="pass")], interrupted=True),
        record(verdicts=[row(outcome="pass")], unselected=2),
    ]
    assert "\n".join(github_commands([each], in_repository) for each in records) == snapshot
    assert github_commands([record(verdicts=[*met, row(outcome="pass")])], in_repository) == ""


@pytest.mark.parametrize(("count", "shown"), [(9, 9), (10, 10), (30, 10)])
def test_nine_and_the_rest(count: int, shown: int) -> None:
    verdicts = [row(bound=place / 100, tier="warn" if place < 2 else "block") for place in range(count)]
    found = unmet_demands([record(verdicts=verdicts)], in_repository)
    assert len(found) == shown
    assert [item.level for item in found] == sorted((item.level for item in found), key=LEVELS.index)
    if count > 9:
        assert found[-1].title == f"quba-check: {count - 9} more"
        assert found[-1].path is None
        assert found[-1].text.startswith("Also not met: ")


def test_several_records_share_the_ten() -> None:
    warned = record(verdicts=[row(tier="warn")] * 6)
    failed = record(verdicts=[row()] * 6)
    lines = github_commands([warned, failed], in_repository).splitlines()
    levels = [line.partition(" ")[0] for line in lines]
    assert levels == ["::error"] * 6 + ["::warning"] * 4


def test_a_file_outside_the_repository() -> None:
    text = github_commands(
        [record(verdicts=[row(explanation=Explanation("m", path="/x/t.yaml", line=3))])], lambda _: None
    )
    assert text == "::error title=FAIL accuracy[min] (r50)::m%0A  demanded by /x/t.yaml:3\n"


def test_the_report_of_gitlab(snapshot: SnapshotAssertion) -> None:
    """Annotations without a file link to the page, else to the job."""
    ours = record(
        verdicts=[
            row(file="a b/ü.yaml", explanation=Explanation("accuracy 0.9 is below 0.95", details=("n = 3",)))
        ]
    )
    with_page = gitlab_report([ours, record()], in_repository, source=SOURCE, page="https://page.example/")
    with_job = gitlab_report([record()], in_repository, source=SOURCE, job="https://gitlab.example/jobs/1")
    passed = gitlab_report([record(verdicts=[row(outcome="pass")])], in_repository, source=SOURCE)
    assert with_page + with_job + passed == snapshot


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=12))
def test_no_text_ends_its_command(demands: list[tuple[str, str]]) -> None:
    verdicts = [row(explanation=Explanation(message), file=file) for message, file in demands] or [row()]
    text = github_commands([record(verdicts=verdicts)], in_repository)
    commands_of = text.split("\n")
    assert len(commands_of) == min(10, len(verdicts)) + 1
    assert commands_of.pop() == ""
    pattern = re.compile(r"::error (file=[^,:\r]*,line=3,)?title=[^,:\r]*::[^\r]*")
    assert all(pattern.fullmatch(command) for command in commands_of)


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
    run = record(verdicts=[VERDICT])
    assert badge_svg(run) == badge_svg(Record.model_validate_json(run.to_json()))

"""Annotations for GitHub and GitLab: at most ten, blocking demands first, every character escaped."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rows import verdict as row
from support.tuned import record

from quba_check.records.record import Record
from quba_check.records.verdict import VerdictRow
from quba_check.reports.ci import LEVELS, github_commands, gitlab_report, unmet_demands

SOURCE = "https://gitlab.example/p/-/blob/abc"


def in_repository(verdict: VerdictRow) -> str | None:
    return verdict.file


def commands(*records: Record) -> list[str]:
    return github_commands(records, in_repository).splitlines()


def test_a_failed_demand_exactly() -> None:
    message = "accuracy 0.900 is below 0.950 (short by 0.050)\n  95 % interval 0.88 to 0.92"
    assert commands(record(verdicts=[row(message=message)])) == [
        "::error file=t.yaml,line=3,title=FAIL accuracy[min] (r50)::"
        "accuracy 0.900 is below 0.950 (short by 0.050)%0A  95 %25 interval 0.88 to 0.92"
    ]


def test_properties_are_escaped() -> None:
    model = record().model.model_dump() | {"name": "a:b,c\n::error::100%"}
    verdict = row(file="my, file:1.yaml", message="x\r\n::set-output name=y::z")
    (line,) = commands(record(verdicts=[verdict], model=model))
    assert line == (
        "::error file=my%2C file%3A1.yaml,line=3,"
        "title=FAIL accuracy[min] (a%3Ab%2Cc\\n%3A%3Aerror%3A%3A100%25)"
        "::x%0A\\x3a:set-output name=y::z"
    )


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "error"),
        ({"outcome": "uncertain", "policy": "fail"}, "error"),
        ({"outcome": "unmeasurable"}, "error"),
        ({"outcome": "not run"}, "error"),
        ({"tier": "warn"}, "warning"),
        ({"tier": "warn", "outcome": "not run"}, "warning"),
        ({"tier": "info", "outcome": "unmeasurable"}, "notice"),
        ({"tier": "warn", "outcome": "uncertain", "policy": "fail"}, "warning"),
    ],
)
def test_levels(changes: dict, level: str) -> None:
    (line,) = commands(record(verdicts=[row(**changes), row(outcome="pass")]))
    assert line.startswith(f"::{level} file=t.yaml,line=3,title=")


@pytest.mark.parametrize("outcome", ["pass", "skipped", "uncertain"])
def test_met_demands_have_none(outcome: str) -> None:
    assert commands(record(verdicts=[row(outcome=outcome, policy="allow"), row(outcome="pass")])) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "::error title=quba-check%3A r50::released: no; no demand was judged"),
        (
            {"verdicts": [row(outcome="pass")], "interrupted": True},
            "::error title=quba-check%3A r50::released: no; the run was interrupted",
        ),
        (
            {"verdicts": [row(outcome="pass")], "unselected": 2},
            "::warning title=quba-check%3A r50::released: not decided; demands that were not selected: 2",
        ),
    ],
)
def test_no_run_without_a_release_is_silent(changes: dict, line: str) -> None:
    assert commands(record(**changes)) == [line]


@pytest.mark.parametrize(("count", "shown"), [(9, 9), (10, 10), (30, 10)])
def test_nine_and_the_rest(count: int, shown: int) -> None:
    verdicts = [row(limit=place / 100, tier="warn" if place < 2 else "block") for place in range(count)]
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
    levels = [line.partition(" ")[0] for line in commands(warned, failed)]
    assert levels == ["::error"] * 6 + ["::warning"] * 4


def test_a_file_outside_the_repository() -> None:
    text = github_commands([record(verdicts=[row(message="m\n  demanded by /x/t.yaml:3")])], lambda _: None)
    assert text == "::error title=FAIL accuracy[min] (r50)::m%0A  demanded by /x/t.yaml:3\n"


def test_the_report_of_gitlab() -> None:
    ours = record(verdicts=[row(file="a b/ü.yaml", message="accuracy 0.9 is below 0.95\n  n = 3")])
    text = gitlab_report([ours, record()], in_repository, source=SOURCE, page="https://page.example/")
    links = [link["external_link"] for link in json.loads(text)["quba-check"]]
    assert [(link["url"], link["label"]) for link in links] == [
        ("https://page.example/", "Report page"),
        (f"{SOURCE}/a%20b/%C3%BC.yaml#L3", "FAIL accuracy[min] (r50): accuracy 0.9 is below 0.95"),
        ("https://page.example/", "quba-check: r50: released: no; no demand was judged"),
    ]


def test_gitlab_without_a_page_links_to_the_job() -> None:
    text = gitlab_report([record()], in_repository, source=SOURCE, job="https://gitlab.example/jobs/1")
    assert json.loads(text)["quba-check"][0]["external_link"]["url"] == "https://gitlab.example/jobs/1"
    passed = record(verdicts=[row(outcome="pass")])
    assert json.loads(gitlab_report([passed], in_repository, source=SOURCE)) == {"quba-check": []}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=12))
def test_no_text_ends_its_command(demands: list[tuple[str, str]]) -> None:
    verdicts = [row(message=message, file=file) for message, file in demands] or [row()]
    text = github_commands([record(verdicts=verdicts)], in_repository)
    commands_of = text.split("\n")
    assert len(commands_of) == min(10, len(verdicts)) + 1
    assert commands_of.pop() == ""
    pattern = re.compile(r"::error (file=[^,:\r]*,line=3,)?title=[^,:\r]*::[^\r]*")
    assert all(pattern.fullmatch(command) for command in commands_of)

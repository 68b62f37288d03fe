"""The Markdown summary: what failed and by how much, at most 60 kB, hostile names shown as they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports.test_github_markdown import rendered
from support.rows import GRADE
from support.rows import verdict as row
from support.tuned import record

from quba_check.comparison.compare import ChangeRow, Comparison, SideRow
from quba_check.records.record import Record
from quba_check.reports.markdown import LARGEST, Run, markdown_summary

MESSAGE = "accuracy 0.900 is below 0.950 (short by 0.050)\n  n = 1,000 images\n  demanded by t.yaml:3"

FAILED = (
    "| ❌ FAIL | `accuracy` | `>= 0.95` | `0.900` | `0.880..0.920` | **short by 0.050** | -0.0300 (worse) |"
)
LINKED = FAILED.replace("`accuracy`", "[`accuracy`](<https://ci.example/1#d=accuracy>)")

COMMAND = ["pytest", "--model=r50.pt"]


def comparison() -> Comparison:
    side = SideRow(file="base.json", model="old", fingerprint="0", time="")
    change = {"dimension": "accuracy", "part": None, "unit": "fraction", "better": "high", "finding": "worse"}
    row = ChangeRow.model_validate(change | {"before": 0.93, "after": 0.9, "change": -0.03})
    return Comparison(before=side, after=side, suite="tiny", protocol="standard", changes=(row,))


def summary(*records: Record, **options: str) -> str:
    return markdown_summary([Run(each) for each in records], **options)


def cells(text: str, target: str) -> list[str]:
    """The cells of the first row about a demand."""
    line = next(line for line in text.splitlines() if line.startswith("| ") and f"`{target}`" in line)
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_a_failed_run_exactly() -> None:
    verdicts = [row(message=MESSAGE), row("corruption_robustness.fog", 0.5, "pass")]
    ours = record(verdicts=verdicts, command=COMMAND)
    assert markdown_summary([Run(ours, comparison())], url="https://ci.example/1") == (
        "### ❌ FAIL: `r50` · 1 of 2 demands passed, 1 failed\n\n"
        "| verdict | demand | bound | value | 95 % interval | missed | change from `base.json` |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"{LINKED}\n\n"
        "[Report page](<https://ci.example/1>)\n\n"
        "<details><summary>All 2 demands, explanations and notes</summary>\n\n"
        "| verdict | demand | bound | value | 95 % interval | missed | change from `base.json` |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"{FAILED}\n"
        "| ✅ PASS | `corruption_robustness.fog` | `>= 0.5` | `0.550` | `0.491..0.609` | - | - |\n\n"
        "```text\n"
        "FAIL: accuracy 0.900 is below 0.950 (short by 0.050)\n"
        "  n = 1,000 images\n"
        "  demanded by t.yaml:3\n"
        "```\n\n"
        "</details>\n\n"
        "Repeat this run:\n\n"
        "```sh\n"
        "pytest --model=r50.pt\n"
        "```\n"
    )


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (row(limit=0.95, confidence=0.99), ["`>= 0.95`", "`0.900`", "`0.874..0.926`", "**short by 0.050**"]),
        (
            row("calibration_error", 0.03, bound="max"),
            ["`<= 0.03`", "`0.0312`", "`0.0234..0.0390`", "**over by 0.0012**"],
        ),
        (row("parameters", 5, bound="max"), ["`<= 5 M`", "`5.289 M`", "-", "**over by 0.289 M**"]),
        (
            row(limit=0.89, outcome="uncertain", policy="fail"),
            ["`>= 0.89`", "`0.900`", "`0.880..0.920`", "**not shown to be met**"],
        ),
        (
            row(
                "shape_bias", 0.3, "unmeasurable", message="shape_bias could not be measured: no images\n  x"
            ),
            ["`>= 0.3`", "-", "-", "`no images`"],
        ),
        (
            row("shape_bias", 0.3, "not run", message="shape_bias[min] was not judged: stopped"),
            ["`>= 0.3`", "-", "-", "`stopped`"],
        ),
        (
            row(limit=0.01, bound="max_drop", message="accuracy drop is <b>odd</b>"),
            ["`drop <= 0.01`", "-", "-", "`accuracy drop is <b>odd</b>`", "-"],
        ),
    ],
)
def test_cells_say_by_how_much(verdict: dict, expected: list[str]) -> None:
    text = summary(record(verdicts=[verdict]))
    target = verdict["dimension"]
    assert cells(text, target)[2:] == expected


def test_masked_values_name_the_reason() -> None:
    measured = {"value": 0.5, "unit": "fraction", "n": 10, "better": "high", "masked": ["zero gradients"]}
    reason = "accuracy 0.500 is no evidence of robustness: zero gradients"
    verdicts = [row(limit=0.3, message=f"{reason}\n  n = 10 images")]
    text = summary(record(measurements={"accuracy": measured}, verdicts=verdicts))
    assert cells(text, "accuracy")[3:] == ["`0.500`", "-", f"`{reason}`"]


def test_grades() -> None:
    grade = GRADE | {
        "file": "t.yaml",
        "score": -0.5,
        "letter": "D",
        "interval": [-0.7, -0.3],
        "letters": ["C", "D"],
    }
    verdicts = [row("quba.grade", "B"), row("quba.score", 0.0)]
    text = summary(record(verdicts=verdicts, grades=[grade]))
    assert text.startswith("### ❌ FAIL: `r50` · 0 of 2 demands passed, 2 failed · grade `D (C to D)`\n")
    assert cells(text, "quba.grade")[2:] == ["`>= B`", "`D`", "`C to D`", "**grade D, score -0.500**"]
    score = ["`>= 0`", "`-0.500`", "`-0.700..-0.300`", "**short by 0.500**"]
    assert cells(text, "quba.score")[2:] == score


def test_blocking_demands_come_first_and_at_most_ten() -> None:
    warnings = [row(limit=0.91 + place / 100, tier="warn") for place in range(3)]
    failed = [row("corruption_robustness.fog", 0.6 + place / 100) for place in range(9)]
    head = summary(record(verdicts=[*warnings, *failed])).partition("<details>")[0]
    rows = [line for line in head.splitlines() if line.startswith(("| ❌", "| ⚠"))]
    assert [line.split()[2] for line in rows] == ["FAIL"] * 9 + ["WARN"]
    assert "\n\n… and 2 more.\n" in head


SETS = {"clean": {"images": 1000, "found": 10_000}}
LIMITED = {"name": "tiny", "root": "/data", "fingerprint": "1", "sets": SETS}


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"verdicts": [row(outcome="pass")]}, "### ✅ PASS: `r50` · 1 of 1 demand passed"),
        (
            {"verdicts": [row(outcome="pass")], "unselected": 2},
            "### ⚠️ NOT DECIDED: `r50` · 1 of 1 demand passed, 2 not selected",
        ),
        (
            {"verdicts": [row(outcome="pass")], "interrupted": True},
            "### ❌ INTERRUPTED: `r50` · 1 of 1 demand passed",
        ),
        ({}, "### ❌ NOT JUDGED: `r50` · no demands"),
        (
            {"verdicts": [row(outcome="pass")], "suite": LIMITED},
            "### ✅ PASS: `r50` · 1 of 1 demand passed · on 1,000 of 10,000 images",
        ),
    ],
)
def test_the_verdict_in_a_line(changes: dict, headline: str) -> None:
    assert summary(record(**changes)).partition("\n")[0] == headline


def test_several_runs() -> None:
    passed = record(verdicts=[row(outcome="pass")], command=COMMAND)
    failed = record(verdicts=[row()], command=COMMAND)
    text = summary(passed, failed, page="out/page.html")
    assert text.startswith("## ❌ quba-check: 1 of 2 runs may be released\n\n### ✅ PASS: `r50`")
    assert text.endswith("\n\nReport page: `out/page.html`\n")
    assert text.count("Repeat this run:") == 2
    assert summary(passed, passed).startswith("## ✅ quba-check: 2 of 2 runs may be released\n")


def test_a_warning_precedes_the_demands() -> None:
    text = summary(record(verdicts=[row()], warnings=["the baseline failed"]))
    assert text.split("\n\n")[1] == "`warning: the baseline failed`"


def test_a_baseline_that_cannot_be_compared() -> None:
    text = markdown_summary([Run(record(verdicts=[row()]), notes=("base.json and x differ",))])
    assert "\n\nNot compared with the baseline: `base.json and x differ`\n\n" in text


def test_the_stored_command_is_repeated() -> None:
    ours = record(verdicts=[row()], command=["pytest", "--model=my model.pt"])
    assert "```sh\npytest '--model=my model.pt'\n```" in summary(ours)
    assert "Repeat this run" not in summary(record(verdicts=[row()]))  # of an earlier version


NAMES = [
    *(
        "<script>alert(1)</script>",
        "a | b",
        "`tick`",
        "@someone #1",
        "line\n\n# break",
        "</details>",
        "[x](y)",
    )
]
TAGS = {
    *("h2", "h3", "p", "a", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "strong", "em"),
    *("details", "summary"),
}


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_shown_not_run(name: str) -> None:
    model = record().model.model_copy(update={"name": name, "spec": name})
    named = {"dimension": name, "id": f"{name}::x", "file": name}
    ours = record(verdicts=[row(message=f"{name} is bad", **named)]).model_copy(update={"model": model})
    text = markdown_summary([Run(ours, comparison(), notes=(name,))], page=name)
    parts = rendered(text)
    assert set(parts.tags) <= TAGS
    assert parts.tags.count("details") == 1
    assert len(parts.texts["td"]) == 2 * 7
    assert "".join(parts.texts["h3"]).replace("\\n", "\n").startswith(f"❌ FAIL: {name}")


def test_mentions_stand_in_code_only() -> None:
    model = record().model.model_copy(update={"name": "@someone"})
    text = summary(record(verdicts=[row()]).model_copy(update={"model": model}))
    outside = re.sub(r"```.*?```|`[^`]*`|<code>.*?</code>", "", text, flags=re.DOTALL)
    assert "@" not in outside


def test_a_long_summary_has_no_folded_part() -> None:
    verdicts = [
        row("corruption_robustness.fog", place / 400, message=f"{place} " * 20) for place in range(400)
    ]
    text = summary(record(verdicts=verdicts, command=COMMAND))
    assert len(text.encode()) <= LARGEST
    assert "<details>" not in text
    assert "… and 390 more." in text
    assert "Repeat this run:" in text
    assert text.endswith("*Cut to 60 kB. The records have all demands, explanations and notes.*\n")


def test_a_summary_of_many_runs_has_their_verdicts() -> None:
    text = summary(*[record(verdicts=[row(message=MESSAGE) for _ in range(20)])] * 100)
    assert text.startswith("## ❌ quba-check: 0 of 100 runs may be released")
    assert text.count("### ❌ FAIL") == 50
    assert "| ❌ FAIL" not in text
    assert text.rstrip().splitlines()[-1].startswith("*Cut to 60 kB.")


TEXTS = st.text(alphabet=st.sampled_from("ab`|\\<>&@#*_[]()!~$:\n\r\t\x1b\u202e é-"), max_size=40)


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=15), st.integers(1, 3), TEXTS)
def test_any_text_of_a_record_is_shown_as_text(
    demands: list[tuple[str, str, str]], n: int, page: str
) -> None:
    verdicts = [
        row(limit=0.9, message=message) | {"dimension": name, "file": file, "id": f"{file}::{name}"}
        for name, message, file in demands
    ]
    model = record().model.model_copy(update={"name": demands[0][1], "spec": demands[0][2]})
    ours = record(verdicts=verdicts).model_copy(update={"model": model})
    text = markdown_summary([Run(ours, comparison(), notes=(page,))] * n, page=page)
    parts = rendered(text)
    assert set(parts.tags) <= TAGS
    assert parts.tags.count("details") == n
    assert parts.tags.count("td") == 7 * n * (min(10, len(demands)) + len(demands))
    assert len(text.encode()) <= LARGEST

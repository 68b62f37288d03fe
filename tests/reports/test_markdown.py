"""The Markdown summary: what failed and by how much, at most 60 kB, hostile names shown as they are."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gate import markdown_text
from support.rendered_markdown import rendered
from support.rows import GRADE, explained
from support.rows import verdict as row
from support.tuned import record as tuned
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.compare import ChangeRow, Comparison, SideRow
from quba_check.core.explanation import Explanation
from quba_check.records.record import Record
from quba_check.reports.markdown import LARGEST, Run, markdown_summary

SHORT = Explanation(
    "accuracy 0.900 is below 0.950 (short by 0.050)", details=("n = 1,000 images",), path="t.yaml", line=3
)

COMMAND = ["pytest", "--model=r50.pt"]


def record(**content: object) -> Record:
    return explained(tuned(**content))  # type: ignore[arg-type]


def comparison() -> Comparison:
    side = SideRow(file="base.json", model="old", fingerprint="0", time="")
    change = {"dimension": "accuracy", "part": None, "unit": "fraction", "better": "high", "finding": "worse"}
    row = ChangeRow.model_validate(change | {"before": 0.93, "after": 0.9, "change": -0.03})
    return Comparison(before=side, after=side, suite="tiny", protocol="standard", changes=(row,))


PASSED = row(outcome="pass")
SUITE = {"name": "tiny", "root": "/data", "fingerprint": "1"}
LIMITED = SUITE | {"sets": {"clean": {"images": 1000, "found": 10_000}}}
MASKED = {"value": 0.5, "unit": "fraction", "n": 10, "better": "high", "masked": ["zero gradients"]}
NO_EVIDENCE = Explanation(
    "accuracy 0.500 is no evidence of robustness: zero gradients",
    "zero gradients",
    details=("n = 10 images",),
)
GRADED = GRADE | {
    "file": "t.yaml",
    "score": -0.5,
    "letter": "D",
    "interval": [-0.7, -0.3],
    "letters": ["C", "D"],
}
CASES = {
    "each kind of gap": Run(
        record(
            verdicts=[
                row(bound=0.95, confidence=0.99),
                row("calibration_error", 0.03, key="max"),
                row("parameters", 5, key="max"),
                row(bound=0.89, outcome="uncertain", policy="fail"),
                row(
                    "shape_bias",
                    0.3,
                    "unmeasurable",
                    explanation=Explanation(
                        "shape_bias could not be measured: no images", reason="no images"
                    ),
                ),
                row(
                    "shape_bias",
                    0.3,
                    "not run",
                    explanation=Explanation("shape_bias[min] was not judged: stopped", reason="stopped"),
                ),
                row(bound=0.01, key="max_drop", explanation=Explanation("accuracy drop is <b>odd</b>")),
            ]
        )
    ),
    "a masked value": Run(
        record(measurements={"accuracy": MASKED}, verdicts=[row(bound=0.3, explanation=NO_EVIDENCE)])
    ),
    "a grade": Run(record(verdicts=[row("quba.grade", "B"), row("quba.score", 0.0)], grades=[GRADED])),
    "a pass": Run(record(verdicts=[PASSED])),
    "some demands": Run(record(verdicts=[PASSED], unselected=2)),
    "interrupted": Run(record(verdicts=[PASSED], interrupted=True)),
    "not judged": Run(record()),
    "some images": Run(record(verdicts=[PASSED], suite=LIMITED)),
    "a warning": Run(record(verdicts=[row()], warnings=["the baseline failed"])),
    "a baseline that cannot be compared": Run(record(verdicts=[row()]), notes=("base.json and x differ",)),
    "a command": Run(record(verdicts=[row()], command=["pytest", "--model=my model.pt"])),
}


@pytest.mark.parametrize("name", CASES)
def test_texts(name: str, snapshot: SnapshotAssertion) -> None:
    assert markdown_summary([CASES[name]]) == snapshot


def test_a_failed_run_with_a_baseline_and_a_page(snapshot: SnapshotAssertion) -> None:
    verdicts = [row(explanation=SHORT), row("corruption_robustness.fog", 0.5, "pass")]
    ours = record(verdicts=verdicts, command=COMMAND)
    assert markdown_summary([Run(ours, comparison())], url="https://ci.example/1") == snapshot


def test_blocking_demands_come_first_and_at_most_ten() -> None:
    warnings = [row(bound=0.91 + place / 100, tier="warn") for place in range(3)]
    failed = [row("corruption_robustness.fog", 0.6 + place / 100) for place in range(9)]
    head = markdown_text(record(verdicts=[*warnings, *failed])).partition("<details>")[0]
    rows = [line for line in head.splitlines() if line.startswith(("| ❌", "| ⚠"))]
    assert [line.split()[2] for line in rows] == ["FAIL"] * 9 + ["WARN"]
    assert "\n\n… and 2 more.\n" in head


def test_several_runs(snapshot: SnapshotAssertion) -> None:
    failed = Run(record(verdicts=[row()], command=COMMAND))
    passed = Run(record(verdicts=[PASSED], command=COMMAND))
    assert markdown_summary([passed, failed], page="out/page.html") == snapshot
    assert markdown_summary([passed] * 2).startswith("## ✅ quba-check: 2 of 2 runs may be released\n")


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
    *("details", "summary", "br"),
}


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_shown_not_run(name: str) -> None:
    model = record().model.model_copy(update={"name": name, "spec": name})
    named = {"dimension": name, "id": f"{name}::x", "file": name, "title": name}
    ours = record(verdicts=[row(explanation=Explanation(f"{name} is bad"), **named)]).model_copy(
        update={"model": model}
    )
    text = markdown_summary([Run(ours, comparison(), notes=(name,))], page=name)
    parts = rendered(text)
    assert set(parts.tags) <= TAGS
    assert parts.tags.count("details") == 1
    assert len(parts.texts["td"]) == 2 * 7
    assert "".join(parts.texts["h3"]).replace("\\n", "\n").startswith(f"❌ FAIL: {name}")


def test_mentions_stand_in_code_only() -> None:
    model = record().model.model_copy(update={"name": "@someone"})
    verdicts = [row(title="@someone"), row(title="as in #1")]
    text = markdown_text(record(verdicts=verdicts).model_copy(update={"model": model}))
    outside = re.sub(r"```.*?```|`[^`]*`|<code>.*?</code>", "", text, flags=re.DOTALL)
    assert "@" not in outside


def test_a_long_summary_has_no_folded_part() -> None:
    verdicts = [
        row("corruption_robustness.fog", place / 400, explanation=Explanation(f"{place} " * 20))
        for place in range(400)
    ]
    text = markdown_text(record(verdicts=verdicts, command=COMMAND))
    assert len(text.encode()) <= LARGEST
    assert "<details>" not in text
    assert "… and 390 more." in text
    assert "Repeat this run:" in text
    assert text.endswith("*Cut to 60 kB. The records have all demands, explanations and notes.*\n")


def test_a_summary_of_many_runs_has_their_verdicts() -> None:
    text = markdown_text(*[record(verdicts=[row(explanation=SHORT) for _ in range(20)])] * 100)
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
        row(bound=0.9, explanation=Explanation(message), title=file)
        | {"dimension": name, "file": file, "id": f"{file}::{name}"}
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

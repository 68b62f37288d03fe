"""Demands with a title in every report: it stands before the name."""

import re

import pytest
from rich.cells import cell_len
from support.gate import markdown_text, terminal_text, thresholds
from support.parsed_page import parsed
from support.rows import GRADE
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.what_if import what_if_text
from quba_check.comparison.stored_run import StoredRun
from quba_check.exports.tables import export_rows
from quba_check.page.render import render_page
from quba_check.records.record import Record
from quba_check.reports.ci import github_commands, gitlab_report
from quba_check.reports.power import power_text
from quba_check.reports.verdict_labels import release_line
from quba_check.tuning.what_if import what_if

TITLE = "Found | on *dark* skin by @someone, #1"
TEXT = f"""\
dimensions:
  accuracy: {{min: 0.95, title: '{TITLE}'}}
  corruption_robustness: {{min: 0.5, parts: {{fog: {{min: 0.6, title: 'FOG'}}}}}}
  calibration_error: {{max: 0.01}}
  parameters: {{max: 6, title: Fits on the device}}
quba: {{min_score: 1, title: Among the best, tier: warn}}
"""
LONGEST = "as many characters as a title may have, in words of some length, and then an end"
WIDE = 40 * "\u984c"
"""80 columns without a blank."""


def titled(title: str = "Works in fog, also on the motorway at night", grades: object = ()) -> Record:
    run = StoredRun("r.json", record(grades=grades))
    titled = what_if(run, thresholds(TEXT.replace("FOG", title))).record
    return titled.model_copy(update={"grades": run.record.grades})


def test_texts(snapshot: SnapshotAssertion) -> None:
    ours = titled(grades=[GRADE])
    texts = [terminal_text(ours), markdown_text(ours), github_commands([ours], lambda _: None)]
    texts += [gitlab_report([ours], lambda _: "x.yaml", source="https://a.test"), release_line(ours)]
    assert re.sub(r"(demanded by |\[)/\S+/", r"\1", "\n".join(texts)) == snapshot


def test_tables_of_a_file(snapshot: SnapshotAssertion) -> None:
    file = thresholds(TEXT)
    other = thresholds("dimensions: {accuracy: {min: 0.5, title: Other}}")
    run = StoredRun("r.json", record())
    judged = what_if_text(["x.yaml", "y.yaml"], [what_if(run, one) for one in (file, other)])
    assert f"{judged}\n{power_text(file, 100, None)}" == snapshot


@pytest.mark.parametrize("title", [LONGEST, WIDE, "x" * 80])
@pytest.mark.parametrize("width", [72, 80])
def test_no_title_widens_the_table(title: str, width: int) -> None:
    plain, text = (
        terminal_text(titled(one), width).partition("\n\n")[0].splitlines() for one in ("fog", title)
    )
    assert max(map(cell_len, text)) <= max(width, *map(cell_len, plain))
    names = "".join(line.strip().partition("   ")[0] for line in text)
    assert title.replace(" ", "") in names.replace(" ", "")


def test_a_column_of_exports() -> None:
    rows = {(row["dimension"], row["part"]): row["title"] for row in export_rows([titled()])}
    assert rows["accuracy", None] == TITLE
    assert rows["corruption_robustness", None] is None


def test_the_page() -> None:
    page = parsed(render_page([StoredRun("r.json", titled())]))
    assert [one.text for one in page.all("span", class_="target")] == [
        f"{TITLE} accuracy ≥ 0.95",
        "Works in fog, also on the motorway at night corruption_robustness.fog ≥ 0.6",
        "calibration_error ≤ 0.01",
        "Among the best quba.score ≥ 1 warn only",
        "corruption_robustness ≥ 0.5",
        "Fits on the device parameters ≤ 6 M",
    ]
    assert page.all("p", class_="headline")[0].text.startswith(f"{TITLE} (accuracy) 0.900 is below")
    assert page.one("header").all("a")[0].text == f"{TITLE} (accuracy)"

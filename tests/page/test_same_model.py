"""The section "Same model?" of a page."""

import pytest
from support.charts import figure_text
from support.generated_images import Images
from support.parity_runs import TABLES, parity_run
from support.parsed_page import parsed
from support.rows import verdict
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.page.changes import same_models
from quba_check.page.chosen_images import Choice, choose_images, choose_lost
from quba_check.page.columns import columns
from quba_check.page.pictures import make_pictures
from quba_check.page.render import render_page
from quba_check.records.verdict import VerdictRow

MANY = {"columns": ["before", "after", "images"], "rows": [[f"c{k}", "x", 9] for k in range(60)]}
RUNS = {
    "few classes": parity_run(),
    "many classes": parity_run(tables=TABLES | {"changed_answers": MANY}),
    "the same predictions": parity_run(same=True),
}


@pytest.mark.parametrize("name", RUNS)
def test_lines_and_figures(name: str, snapshot: SnapshotAssertion) -> None:
    (section,) = same_models(columns([RUNS[name]]), {})
    assert "\n\n".join(["\n".join(section.lines), *map(figure_text, section.figures)]) == snapshot


def test_the_page_has_the_section_only_with_content() -> None:
    page = parsed(render_page([parity_run()]))
    assert "#same-model" in [link.attributes["href"] for link in page.one("nav").all("a")]
    assert "97 of 100 answers (97.0 %)" in page.one("header").text
    assert "same-model" not in render_page([StoredRun("a.json", record())]).partition("<body>")[2]


def test_pictures_of_lost_answers() -> None:
    choice = choose_lost(parity_run(), 5)
    assert [(one.path, one.label, one.before, one.predicted) for one in choice.images] == [
        ("3.png", "bee", "bee", "ape"),
        ("1.png", "bee", "bee", "ape"),
    ]
    assert len(choose_lost(parity_run(), 1).images) == 1
    run = parity_run()
    text = render_page([run], pictures=make_pictures([run], [Images(9)], 5))
    assert "before: bee" in text
    assert "now: ape" in text


def test_runs_without_pictures_of_lost_answers() -> None:
    for run in (parity_run(same=True), StoredRun("a.json", record())):
        assert choose_lost(run, 5) == Choice()
    assert make_pictures([parity_run()], ["no images"], 5) == {}


def test_a_failed_demand_refers_to_the_section() -> None:
    demand = VerdictRow.model_validate(verdict("parity.agreement"))
    choice = choose_images(parity_run(), demand, 5, lambda _: [])
    assert choice == Choice(note="The section 'Same model?' shows clean images with a lost answer.")

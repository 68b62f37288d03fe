"""The section "Same model?" of a page."""

from __future__ import annotations

from support.generated_images import Images
from support.parity_runs import TABLES, parity_run
from support.parsed_page import parsed
from support.rows import verdict
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.page.changes import SameModel, same_models
from quba_check.page.chosen_images import Choice, choose_images, choose_lost
from quba_check.page.columns import columns
from quba_check.page.pictures import make_pictures
from quba_check.page.render import render_page
from quba_check.records.verdict import VerdictRow


def section(run: StoredRun) -> SameModel:
    (compared,) = same_models(columns([run]), {})
    return compared


def test_figures() -> None:
    matrix, flips, changes = section(parity_run()).figures
    assert matrix.headings == ("before", "bee", "ape", "cat")
    assert [str(getattr(cell, "text", cell)) for cell in matrix.rows[0]] == ["bee", "", "2", ""]
    assert flips.rows == (("bee", "40", "2", "0", "0"), ("cat", "20", "0", "1", "0"))
    assert flips.headings[-1] == "wrong to wrong"
    assert [(row[0], row[2]) for row in changes.rows] == [("0 to 0.5", "0.970"), ("0.5 to 1", "0.0300")]


def test_many_classes_have_a_table() -> None:
    answers = {"columns": ["before", "after", "images"], "rows": [[f"c{k}", "x", 9] for k in range(60)]}
    matrix = section(parity_run(tables=TABLES | {"changed_answers": answers})).figures[0]
    assert matrix.rows[0] == ("c0", "x", "9")
    assert len(matrix.rows) == 10


def test_the_same_predictions_have_no_figures() -> None:
    same = section(parity_run(same=True))
    assert (same.lines, same.figures) == (("the same predictions as the reference",), ())


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
    for run in (parity_run(with_images=False), parity_run(same=True), StoredRun("a.json", record())):
        assert choose_lost(run, 5) == Choice()
    assert make_pictures([parity_run()], ["no images"], 5) == {}


def test_a_failed_demand_refers_to_the_section() -> None:
    demand = VerdictRow.model_validate(verdict("parity.agreement"))
    choice = choose_images(parity_run(), demand, 5, lambda _: [])
    assert choice == Choice(note="The section 'Same model?' shows clean images with a lost answer.")

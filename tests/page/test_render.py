"""The whole page: structure, policy, escaping, gaps, several records, and limits of its sources."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from support.parsed_page import Element, parsed
from support.rows import GRADE, VERDICT, verdict
from support.runs_compared import stored
from support.sample_records import (
    HOSTILE,
    run_of_1000_classes,
    sample,
    with_gaps,
    with_hostile_names,
    write_samples,
)
from support.tuned import quantity, record

from quba_check.comparison.misclassified import flips
from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import PopulationError, UserError
from quba_check.page.changes import Changes, better_model, changes
from quba_check.page.columns import Reference, columns
from quba_check.page.demands import demands
from quba_check.page.provenance import commands, compute_text, facts, hashes, missing_values, set_rows
from quba_check.page.render import WORDS, blocking, meaning_of, readable_time, render_page
from quba_check.records.record import ComputeRow
from quba_check.records.verdict import EXIT_CODES

TEMPLATES = files("quba_check.page").joinpath("templates")
MOST_FILES, MOST_BYTES, MOST_LINES = 13, 60_000, 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> StoredRun:
    return sample(folder, "demo")


@pytest.fixture(scope="module")
def textured(folder: Path) -> StoredRun:
    return sample(folder, "textured")


@pytest.fixture(scope="module")
def failed(demo: StoredRun, textured: StoredRun) -> Element:
    """The page of a failed run with a baseline."""
    return parsed(render_page([textured], baseline=demo))


def ids(page: Element) -> list[str]:
    return [element.attributes["id"] for element in page.walk() if "id" in element.attributes]


def test_sections_in_order(failed: Element) -> None:
    sections = [
        element.attributes["id"]
        for element in failed.one("main").all("section")
        if "class" not in element.attributes
    ]
    required = ["demands", "changes", "dimensions", "data", "provenance"]
    assert [name for name in sections if name in required] == required
    linked = [link.attributes["href"] for link in failed.one("nav").all("a")]
    assert linked == [f"#{name}" for name in sections]
    for section in failed.one("main").all("section"):
        assert section.attributes["aria-labelledby"] in ids(failed)


def test_ids_are_unique_and_links_lead_to_them(failed: Element) -> None:
    names = ids(failed)
    assert len(names) == len(set(names))
    links = [link.attributes["href"] for link in failed.all("a")]
    assert {link[1:].replace("%5B", "[").replace("%5D", "]") for link in links if link[0] == "#"} <= set(
        names
    )
    assert all(link[0] == "#" or link.startswith("https://") for link in links)


def test_tables_have_captions_and_scopes(failed: Element) -> None:
    tables = failed.all("table")
    assert len(tables) > 10
    for table in tables:
        assert table.one("caption").text
        assert all("scope" in head.attributes for head in table.all("th"))


def test_charts_have_words(failed: Element) -> None:
    charts = failed.all("svg", class_="chart")
    assert len(charts) > 30
    for chart in charts:
        assert chart.attributes["role"] == "img"
        assert len(chart.attributes["aria-label"]) > 10
    for figure in failed.all("figure"):
        assert figure.one("figcaption").text


def test_the_policy_names_the_style_and_the_script(failed: Element) -> None:
    def digest(element: Element) -> str:
        (text,) = element.children
        assert isinstance(text, str)
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    (policy,) = failed.all("meta", http_equiv="Content-Security-Policy")
    (script,) = (element for element in failed.all("script") if "type" not in element.attributes)
    assert policy.attributes["content"] == (
        f"default-src 'none'; style-src {digest(failed.one('style'))}; script-src {digest(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_no_element_has_a_style_or_a_handler(failed: Element) -> None:
    for element in failed.walk():
        assert not [name for name in element.attributes if name == "style" or name.startswith("on")]
        assert element.tag not in ("link", "iframe", "object", "base")
        assert not element.attributes.get("src", "data:").startswith("http")


def test_equal_records_give_equal_bytes(demo: StoredRun, textured: StoredRun) -> None:
    first, second = (render_page([textured, demo], baseline=demo) for _ in range(2))
    assert first == second


def test_hostile_names_are_text(demo: StoredRun, textured: StoredRun) -> None:
    plain, hostile = (
        parsed(render_page([run], baseline=demo)) for run in (textured, with_hostile_names(textured))
    )
    shown = HOSTILE.replace("\u202e", "\\u202e")
    assert hostile.one("h1").text == shown
    assert hostile.one("title").text.startswith("FAIL <script>")
    assert hostile.text.count(shown) > 10
    assert {element.tag for element in hostile.walk()} <= {element.tag for element in plain.walk()}
    for element in hostile.walk():
        assert not any(name.startswith("on") for name in element.attributes)
        assert "\u202e" not in "".join(element.attributes.values())
    for page in (plain, hostile):  # the demo's population is not that of a suite with another name
        assert len([script for script in page.all("script") if "type" not in script.attributes]) == 1


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "x" * 300, "עברית", "'\"`", "{{ 1 }}", "</style>"])
def test_a_model_of_any_name(name: str) -> None:
    content = record(model=record().model.model_dump() | {"name": name})
    page = parsed(render_page([StoredRun(f"{name}.json", content)]))
    assert page.one("h1").text == name.encode().decode().replace("\n", "\\n").replace("\x1b", "\\x1b")


def test_gaps_are_named(textured: StoredRun) -> None:
    gaps = with_gaps(textured)
    page = parsed(render_page([gaps]))
    assert "INTERRUPTED" in page.one("header").text
    assert "the model gives no probabilities" in page.one(id="data").text
    assert not re.search(r"\b(None|nan|NaN|Infinity|undefined)\b", page.one(id="dimensions").text)
    for chart in page.all("svg"):
        for element in chart.walk():
            assert not re.search("nan|inf|None", "".join(element.attributes.values()).replace("interval", ""))


def test_several_records_have_a_column_each(demo: StoredRun, textured: StoredRun) -> None:
    page = parsed(render_page([demo, textured]))
    assert [card.text for card in page.all("h1")] == ["demo", "demo-textured"]
    (verdicts,) = (table for table in page.all("table") if table.one("caption").text.startswith("Verdicts"))
    heads = [head.text for head in verdicts.one("thead").all("th")]
    assert heads == ["demand", "bound", "demo", "demo-textured"]
    rows = [
        [cell.text for cell in row.all() if cell.tag in ("th", "td")]
        for row in verdicts.one("tbody").all("tr")
    ]
    assert rows[0] == ["ood_robustness", "≥ 0.9", "PASS 0.986", "FAIL 0.197"]
    assert len(rows) == 11
    demands = page.all("details", class_="demand")
    assert all(len(demand.one("summary").all("span", class_="line")) == 2 for demand in demands)
    marks = page.one(id="dimension-ood_robustness").all("circle", class_="s0")
    assert len(marks) >= 5


def test_two_records_of_one_model_have_names_of_their_own(demo: StoredRun) -> None:
    other = StoredRun("later.json", demo.record, demo.images)
    assert [column.name for column in columns([demo, other])] == ["demo (demo.json)", "demo (later.json)"]
    assert [column.name for column in columns([demo, demo])] == ["demo (1)", "demo (2)"]


def test_a_record_of_measurements_only() -> None:
    page = parsed(render_page([StoredRun("r.json", record())]))
    assert "NOT JUDGED" in page.one("header").text
    assert page.one(id="demands").text == "Demands No demand was judged: this record holds measurements only."
    assert not page.all(id="changes")
    assert "The record stores no findings of the doctor" in page.one(id="data").text


def test_a_thousand_classes_take_one_path() -> None:
    run = run_of_1000_classes()
    page = parsed(render_page([run], baseline=run))
    section = page.one(id="dimension-class_balance")
    curve = next(
        chart
        for chart in section.all("svg", class_="chart")
        if chart.attributes["aria-label"].startswith("Accuracy of each")
    )
    assert len(curve.all("path", class_="curve")) == 1
    assert len(list(curve.walk())) < 40
    assert sum(len(list(chart.walk())) for chart in page.all("svg")) < 2_500
    assert max(len(list(chart.walk())) for chart in page.all("svg")) < 300


def test_a_population_of_another_suite_stands_once_and_folded(textured: StoredRun) -> None:
    page = parsed(render_page([textured], population="published"))
    folded = page.one("details", id="ranking")
    assert folded.all("summary")[0].text == "The population published, measured on another suite: imagenet"
    assert folded.all("table")
    assert "open" not in folded.attributes
    outside = page.one("body").text.replace(folded.text, "")
    assert "population published" not in outside
    assert "models" not in page.one(id="dimensions").text
    assert not page.all("line", class_="median")
    assert "#ranking" not in [link.attributes["href"] for link in page.all("a")]


def test_a_grade_without_a_score_is_shown_only_if_it_is_demanded() -> None:
    def header(**changed: Any) -> str:
        return parsed(render_page([StoredRun("r.json", record(**changed))])).one("header").text

    missing = GRADE | {"score": None, "percentile": None, "letter": None, "missing": ["shape_bias"]}
    assert "Grade" not in header(grades=[missing])
    demanded = verdict("quba.grade", "C", "unmeasurable", id="x.yaml::quba.grade[min]")
    assert "Grade QUBA not graded: missing shape_bias" in header(grades=[missing], verdicts=[demanded])


def test_no_part_of_the_page_is_empty(demo: StoredRun, textured: StoredRun) -> None:
    runs = [[textured], [demo, textured], [StoredRun("r.json", record())], [with_gaps(textured)]]
    for shown in runs:
        page = parsed(render_page(shown))
        for element in page.one("body").walk():
            if element.tag in ("section", "ul", "ol", "dl", "p", "li", "dd", "figure", "table", "details"):
                has_content = element.text or element.all("svg") or element.attributes.get("data-part")
                assert has_content, (element.tag, element.attributes)
        for table in page.all("table"):
            rows = [row.all("th") + row.all("td") for row in table.one("tbody").all("tr")]
            width = max(map(len, rows))
            whole = [row for row in rows if len(row) == width]
            if "matrix" not in table.attributes.get("class", ""):  # a class may be right always
                filled = [any(row[k].text or row[k].all("svg") for row in whole) for k in range(width)]
                assert all(filled), table.one("caption").text


def test_wrong_arguments(demo: StoredRun) -> None:
    with pytest.raises(
        UserError, match=r"^report: there is no record to show\. Allowed: one record or several\.$"
    ):
        render_page([])
    with pytest.raises(PopulationError, match="no such name or file, got 'publishd'"):
        render_page([demo], population="publishd")


def test_the_sources_are_small() -> None:
    sources = {Path(str(path)).name: path.read_text(encoding="utf-8") for path in TEMPLATES.iterdir()}
    assert len(sources) <= MOST_FILES
    assert sum(len(text.encode()) for text in sources.values()) <= MOST_BYTES
    assert max(text.count("\n") for text in sources.values()) < MOST_LINES
    for text in sources.values():
        assert not re.search(r"""\s(style|on[a-z]+)=["'{]""", text)
        assert "http://" not in text.replace("http://www.w3.org", "")


FAILED = VERDICT | {"outcome": "fail", "limit": 0.95}


def test_every_verdict_has_words() -> None:
    assert set(WORDS) == set(EXIT_CODES)
    assert len({word for word, _, _ in WORDS.values()}) == len(WORDS)


def test_reservations_follow_the_verdict() -> None:
    sets = {"clean": {"images": 1000, "found": 10_000}}
    suite = {"name": "tiny", "root": "/data", "fingerprint": "1", "sets": sets}
    passed = record(verdicts=[VERDICT], suite=suite, warnings=["the baseline failed"])
    assert meaning_of(passed) == (
        "This model may be released: no demand blocks it. Judged on 1,000 of 10,000 images. "
        "Warning: the baseline failed."
    )
    assert meaning_of(record(verdicts=[FAILED], suite=suite)) == "This model must not be released."


@pytest.mark.parametrize(("tier", "links"), [("block", ["d=accuracy"]), ("info", [])])
def test_blocking_demands_are_linked(tier: str, links: list[str]) -> None:
    (column,) = columns([StoredRun("r.json", record(verdicts=[FAILED | {"tier": tier}]))])
    rows = demands([column], None, Reference(None), {})
    assert [demand.link for demand in blocking(rows, column)] == links


def test_the_grade_in_words() -> None:
    graded = GRADE | {"score": 0.512, "percentile": 71.2, "population": "published", "models": 326}
    run = StoredRun("r.json", record(grades=[graded | {"notes": ("partial: without shape_bias",)}]))
    assert (
        "B QUBA 0.512 · grade B · 71st percentile of published (326 models) · protocol standard; "
        "partial: without shape_bias"
    ) in parsed(render_page([run])).text


def test_equal_grades_are_shown_once() -> None:
    both = [GRADE, GRADE | {"file": "y.yaml"}, GRADE | {"score": 0.4}]
    files = record(grades=both).files_by_grade()
    assert [(grade.score, names) for grade, names in files.items()] == [
        (0.5, ["x.yaml", "y.yaml"]),
        (0.4, ["x.yaml"]),
    ]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2026-01-02T03:04:05+00:00", "2 Jan 2026, 03:04 UTC"),
        ("2026-12-31T23:59:00+01:00", "31 Dec 2026, 23:59 UTC+01:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_dates(time: str, text: str) -> None:
    assert readable_time(time) == text


def changes_of(before: StoredRun, after: StoredRun) -> Changes:
    (row,) = changes(columns([after]), before)
    return row


def test_changes_with_flipped_images() -> None:
    before, after = stored("a.json", [0, 1, 2] * 20), stored("b.json", [0, 1, 1] * 20)
    change = changes_of(before, after)
    assert change.summary == "worse: accuracy; 20 images lost, 0 gained"
    page = parsed(render_page([after], baseline=before)).one(id="changes")
    assert page.all("tr")[1].text.endswith("-0.467 to -0.209 worse 20 lost, 0 gained, p = 1.9e-06 -0.5 +0.5")
    assert (change.lost, change.gained, change.hidden) == (20, 0, 0)
    first = change.flipped[0]
    lost = (first.path, first.kind, first.label, first.before, first.after)
    assert lost == ("cat/2.png", "lost", "cat", "cat", "bee")
    assert flips(after, before)[0].kind == "gained"
    assert change.command == "quba-check compare a.json b.json --flips flips.csv"


def test_notes_name_the_models() -> None:
    before, after = stored("/store/a.json", [0, 1, 2] * 20), stored("b.json", [0, 1, 1] * 20)
    assert "r50: it never predicts cat; the other model does" in changes_of(before, after).notes
    assert "baseline: it never predicts cat; the other model does" in changes_of(after, before).notes


def test_a_long_list_of_flips_is_cut() -> None:
    change = changes_of(stored("a.json", [0, 1, 2] * 100), stored("b.json", [1, 1, 1] * 100))
    assert (change.lost, len(change.flipped), change.hidden) == (200, 60, 140)


def test_changes_without_predictions() -> None:
    change = changes_of(stored("a.json", [0, 1, 2]), stored("b.json", [0, 1, 1], images=False))
    assert change.lost is None
    assert change.unknown.startswith("b.json: its predictions on clean images are neither next to it")
    assert change.summary == "worse: accuracy"
    same = changes_of(stored("a.json", [0, 1, 2], images=False), stored("b.json", [0, 1, 2], images=False))
    assert same.summary == "no dimension changed by more than noise"


def test_runs_that_cannot_be_compared() -> None:
    other = record().suite.model_dump() | {"name": "other"}
    change = changes_of(stored("a.json", [0, 1, 2]), StoredRun("b.json", record(suite=other)))
    assert change.rows == ()
    problem = "a.json and b.json cannot be compared: they differ in suite (tiny and other)"
    assert change.problem.startswith(problem)
    assert change.summary == "not comparable with r50 (a.json)"


def test_the_better_of_two_models() -> None:
    good, bad = stored("a.json", [0, 1, 2] * 20), stored("b.json", [0, 1, 1] * 20)
    sentence = better_model(columns([good, bad]))
    assert sentence == (
        "At 95 % confidence, r50 (a.json) is better at accuracy. "
        "Equal: corruption_robustness, calibration_error, parameters."
    )
    assert better_model(columns([bad, good])) == sentence
    (lead,) = parsed(render_page([good, bad])).one("header").all("p", class_="lead")
    assert lead.text == sentence
    assert better_model(columns([good])) == better_model(columns([good, bad, bad])) == ""
    assert not parsed(render_page([good])).all("p", class_="lead")


def test_each_of_two_models_is_better_at_something() -> None:
    values = {
        "accuracy": (0.9, 0.7),
        "shape_bias": (0.2, 0.6),
        "object_focus": (0.5, 0.5),
        "calibration_error": (0.1, 0.101),
    }
    runs = [
        StoredRun(
            f"{name}.json",
            record(
                model=record().model.model_dump() | {"name": name},
                measurements={
                    dimension: quantity(pair[k], 0.01, "fraction", better="high")
                    for dimension, pair in values.items()
                },
            ),
        )
        for k, name in enumerate(("good", "blind"))
    ]
    assert better_model(columns(runs)) == (
        "At 95 % confidence, good is better at accuracy; blind is better at shape_bias; "
        "no difference is shown in calibration_error. Equal: object_focus."
    )


def test_neither_of_two_models_is_better() -> None:
    one, other = stored("a.json", [0, 1, 2] * 20), stored("b.json", [0, 1, 2] * 20)
    assert better_model(columns([one, other])) == (
        "Equal: accuracy, corruption_robustness, calibration_error, parameters."
    )
    suite = record().suite.model_dump() | {"name": "other"}
    problem = better_model(columns([one, StoredRun("b.json", record(suite=suite))]))
    assert problem.startswith("a.json and b.json cannot be compared: they differ in suite (tiny and other)")


def commands_of(baseline: StoredRun | None = None, **changed: Any) -> list[str]:
    (column,) = columns([StoredRun("r.json", record(**changed))])
    return list(commands(column, [column], baseline).values())


def test_missing_dimensions_have_reasons() -> None:
    measurements = {"accuracy": {"unmeasurable": "no images"}, "shape_bias": {"not_measured": True}}
    measurements["object_focus"] = {"not_measured": True}
    assert missing_values(record(measurements=measurements)) == {
        "no images": ["accuracy"],
        "no selected demand needs it": ["shape_bias", "object_focus"],
    }


def page_of(**changed: Any) -> Element:
    return parsed(render_page([StoredRun("r.json", record(**changed))]))


def test_findings_of_the_doctor() -> None:
    assert "The doctor found no problem before the run." in page_of(findings=[]).one(id="data").text
    finding = {"severity": "problem", "title": "a\nb", "text": "c\nd"}
    (text,) = page_of(findings=[finding]).all("span", class_="text")
    assert (text.children, text.text) == (["c\nd"], "c d")
    assert "problem : a\\nb" in page_of(findings=[finding]).one(id="data").text


def test_inputs_with_their_text() -> None:
    row = {"kind": "threshold file", "path": "x.yaml", "sha256": "ab" * 32}
    texts = ["schema: 1\n\tx: 2\n", "x" * 25_000, None]
    provenance = page_of(inputs=[row | {"text": text} for text in texts]).one(id="provenance")
    first, second, hashed = provenance.all("pre")
    assert first.children == ["schema: 1\n    x: 2"]
    assert len(second.text) == 20_000
    assert provenance.text.count("5,000 more characters are left out.") == 1
    assert provenance.text.count("ab" * 32) == 3
    assert hashed.text.startswith("0" * 32)


def test_commands_to_recompute() -> None:
    words = ["pytest", "--model=a b.pt", "-q"]
    assert commands_of(stored("old.json", [0, 1, 2]), command=words) == [
        "pytest '--model=a b.pt' -q",
        "quba-check verdict r.json",
        "quba-check report r.json --baseline old.json -o report.html",
    ]
    assert commands_of()[0] == "quba-check verdict r.json"  # a record that stores no command


def test_compute_settings_in_words() -> None:
    plain = {"precision": "fp32", "channels_last": False, "compiled": True, "requested": "fp32"}
    chosen = {"precision": "bf16", "channels_last": True, "compiled": False, "requested": "auto"}
    chosen |= {"batch_size": 16, "images": 256, "flipped": 0, "gain": 1.9}
    texts = [compute_text(ComputeRow.model_validate(row | {"reason": "x"})) for row in (chosen, plain)]
    assert texts == ["bf16, channels_last, batches of 16 (x, 0 of 256 answers flipped)", "fp32, compiled (x)"]


def test_hashes_are_grouped() -> None:
    contents = {"clean": "a" * 32, "sketch": "b" * 32, "fog/1": "a" * 32}
    suite = record().suite.model_dump() | {"contents": contents, "classes": "c" * 32}
    model = record().model.model_dump() | {"files": {"r50.pt": "d" * 64}}
    assert dict(hashes(record(suite=suite, model=model))) == {
        "model": "0" * 32,
        "suite": "1" * 32,
        "class list": "c" * 32,
        "file r50.pt (sha256)": "d" * 64,
        "images of clean, fog/1": "a" * 32,
        "images of sketch": "b" * 32,
    }


def test_sets_of_all_records() -> None:
    one = record().suite.model_dump() | {"sets": {"clean": {"images": 400, "expected": 500, "found": 500}}}
    fog = {"images": 9, "expected": 10, "generated": "generated@48"}
    other = record().suite.model_dump() | {"sets": {"fog": fog}}
    shown = columns([StoredRun("a.json", record(suite=one)), StoredRun("b.json", record(suite=other))])
    fog_cells = ("fog", "–", "9, 10 expected, generated@48")
    assert set_rows(shown) == (("clean", "400 of 500", "–"), fog_cells)


def test_sets_with_fast_preprocessing_are_named() -> None:
    sets = {name: {"images": 4, "preprocessing": code} for name, code in (("clean", "fast"), ("x", "exact"))}
    fast = dict(facts(record(suite=record().suite.model_dump() | {"sets": sets})))
    assert fast["prepared by the faster code"] == "JPEG files of clean"
    assert "prepared by the faster code" not in dict(facts(record()))

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
from support.rows import GRADE, verdict
from support.sample_records import (
    HOSTILE,
    run_of_1000_classes,
    sample,
    with_gaps,
    with_hostile_names,
    write_samples,
)
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import PopulationError, UserError
from quba_check.page.columns import columns
from quba_check.page.render import render_page

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

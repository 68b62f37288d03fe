"""The whole page: structure, policy, escaping, gaps, several records, and limits of its sources."""

import base64
import hashlib
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

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
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.explanation import Explanation
from quba_check.errors import PopulationError, UserError
from quba_check.page.changes import Changes, better_model, changes
from quba_check.page.columns import Reference, columns
from quba_check.page.demands import demands
from quba_check.page.render import WORDS, blocking, render_page
from quba_check.records.verdict import EXIT_CODES

TEMPLATES = files("quba_check.page").joinpath("templates")
MOST_FILES = 14
MOST_BYTES = 67_000
MOST_LINES = 300


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
    assert not re.search(r"\b(None|nan|NaN|Infinity|undefined)\b", page.one(id="dimensions").text)
    for chart in page.all("svg"):
        for element in chart.walk():
            assert not re.search("nan|inf|None", "".join(element.attributes.values()).replace("interval", ""))


def test_two_records_of_one_model_have_names_of_their_own(demo: StoredRun) -> None:
    other = StoredRun("later.json", demo.record, demo.images)
    assert [column.name for column in columns([demo, other])] == ["demo (demo.json)", "demo (later.json)"]
    assert [column.name for column in columns([demo, demo])] == ["demo (1)", "demo (2)"]


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


FAILED = VERDICT | {"outcome": "fail", "bound": 0.95}


def test_every_dimension_has_a_next_step(snapshot: SnapshotAssertion) -> None:
    reason = "PGD is weaker than FGSM"
    masked = Explanation(f"adversarial_robustness 0.500 is no evidence of robustness: {reason}", reason)
    names = (*PUBLISHED_DIMENSIONS, "quba")
    runs = [StoredRun("r.json", record(verdicts=[verdict(name) for name in names]))]
    runs += [StoredRun("r.json", record(verdicts=[verdict("adversarial_robustness", explanation=masked)]))]
    runs += [StoredRun("r.json", record(verdicts=[verdict(within_noise=True)]))]
    pages = [parsed(render_page([run])) for run in runs]
    before, after = CHANGES["lost"]
    dropped = after.record.model_copy(
        update={"verdicts": record(verdicts=[verdict(key="max_drop")]).verdicts}
    )
    pages += [parsed(render_page([StoredRun("b.json", dropped, after.images)], baseline=before))]
    demands = [demand for page in pages for demand in page.all("details", class_="demand")]
    steps = [f"{demand.one(class_='target').text}: {demand.all('ul')[-1].lines}" for demand in demands]
    assert "\n".join(steps) == snapshot


def test_every_verdict_has_words() -> None:
    assert set(WORDS) == set(EXIT_CODES)
    assert len({word for word, _, _ in WORDS.values()}) == len(WORDS)


@pytest.mark.parametrize(("tier", "links"), [("block", ["d=accuracy"]), ("info", [])])
def test_blocking_demands_are_linked(tier: str, links: list[str]) -> None:
    (column,) = columns([StoredRun("r.json", record(verdicts=[FAILED | {"tier": tier}]))])
    rows = demands([column], None, Reference(None), {})
    assert [demand.link for demand in blocking(rows, column)] == links


def changes_of(before: StoredRun, after: StoredRun) -> Changes:
    (row,) = changes(columns([after]), before)
    return row


def test_a_long_list_of_flips_is_cut() -> None:
    change = changes_of(stored("a.json", [0, 1, 2] * 100), stored("b.json", [1, 1, 1] * 100))
    assert change.answers is not None
    assert (change.answers.lost, len(change.flipped), change.hidden) == (200, 60, 140)


OTHER_SUITE = StoredRun("b.json", record(suite=record().suite.model_dump() | {"name": "other"}))
CHANGES = {
    "lost": (stored("a.json", [0, 1, 2] * 20), stored("b.json", [0, 1, 1] * 20)),
    "gained": (stored("/store/a.json", [0, 1, 1] * 20), stored("b.json", [0, 1, 2] * 20)),
    "without predictions": (stored("a.json", [0, 1, 2]), stored("b.json", [0, 1, 1], images=False)),
    "the same": (stored("a.json", [0, 1, 2], images=False), stored("b.json", [0, 1, 2], images=False)),
    "another suite": (stored("a.json", [0, 1, 2]), OTHER_SUITE),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes(name: str, snapshot: SnapshotAssertion) -> None:
    before, after = CHANGES[name]
    page = parsed(render_page([after], baseline=before))
    assert f"{page.one('header').lines}\n\n{page.one(id='changes').lines}" == snapshot


def test_the_better_of_two_models(snapshot: SnapshotAssertion) -> None:
    good = stored("a.json", [0, 1, 2] * 20)
    bad = stored("b.json", [0, 1, 1] * 20)
    values = {
        "accuracy": (0.9, 0.7),
        "shape_bias": (0.2, 0.6),
        "object_focus": (0.5, 0.5),
        "calibration_error": (0.1, 0.101),
    }
    mixed = [
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
    pairs = ([good, bad], [bad, good], mixed, [good, StoredRun("b.json", good.record)], [good, OTHER_SUITE])
    assert "\n".join(better_model(columns(pair)) for pair in pairs) == snapshot
    (lead,) = parsed(render_page([good, bad])).one("header").all("p", class_="lead")
    assert lead.text == better_model(columns([good, bad]))
    assert better_model(columns([good])) == better_model(columns([good, bad, bad])) == ""
    assert not parsed(render_page([good])).all("p", class_="lead")


LIMITED = record().suite.model_dump() | {"sets": {"clean": {"images": 1000, "found": 10_000}}}
MISSING = GRADE | {"score": None, "percentile": None, "letter": None, "missing": ["shape_bias"]}
DEMANDED = verdict("quba.grade", "C", "unmeasurable", id="x.yaml::quba.grade[min]")
GRADED = GRADE | {"score": 0.512, "percentile": 71.2, "population": "published", "models": 326}
HEADERS = {
    "an undemanded grade without a score is not shown": record(grades=[MISSING]),
    "a demanded one is": record(grades=[MISSING], verdicts=[DEMANDED]),
    "a grade": record(grades=[GRADED | {"notes": ("partial: without shape_bias",)}]),
    "equal grades are shown once": record(grades=[GRADE, GRADE | {"file": "y.yaml"}, GRADE | {"score": 0.4}]),
    "reservations": record(verdicts=[VERDICT], suite=LIMITED, warnings=["the baseline failed"]),
    "none of a failure": record(verdicts=[FAILED], suite=LIMITED),
    "a time in words": record(environment=record().environment.model_dump() | {"time": "yesterday"}),
}


def test_headers(snapshot: SnapshotAssertion) -> None:
    pages = {name: parsed(render_page([StoredRun("r.json", run)])) for name, run in HEADERS.items()}
    assert "\n\n".join(f"{name}:\n{page.one('header').lines}" for name, page in pages.items()) == snapshot


def test_a_record_of_measurements_only(snapshot: SnapshotAssertion) -> None:
    assert parsed(render_page([StoredRun("r.json", record())])).one("body").lines == snapshot


def test_two_records_with_gaps(demo: StoredRun, textured: StoredRun, snapshot: SnapshotAssertion) -> None:
    page = parsed(render_page([demo, with_gaps(textured)]))
    parts = (page.one("header"), page.one(id="demands"), page.one(id="data"))
    assert "\n\n".join(part.lines for part in parts) == snapshot


def test_data_and_provenance(snapshot: SnapshotAssertion) -> None:
    """Of two records: findings, sets, versions, settings, hashes, inputs and commands."""
    base = record()
    not_measured = {"not_measured": True}
    contents = {"clean": "a" * 32, "sketch": "b" * 32, "fog/1": "a" * 32}
    clean = {"images": 400, "expected": 500, "found": 500, "preprocessing": "fast"}
    fog = {"images": 9, "expected": 10, "generated": "generated@48", "preprocessing": "exact"}
    compute = {"precision": "bf16", "channels_last": True, "runtime": "openvino", "requested": "auto"}
    compute |= {"batch_size": 16, "images": 256, "flipped": 0, "gain": 1.9, "reason": "x"}
    plain = {
        "precision": "fp32",
        "channels_last": False,
        "runtime": "torch",
        "requested": "fp32",
        "reason": "x",
    }
    first = record(
        suite=base.suite.model_dump() | {"contents": contents, "classes": "c" * 32, "sets": {"clean": clean}},
        model=base.model.model_dump() | {"files": {"r50.pt": "d" * 64}},
        environment=base.environment.model_dump() | {"compute": compute},
        measurements={
            "accuracy": {"unmeasurable": "no images"},
            **dict.fromkeys(("shape_bias", "object_focus"), not_measured),
        },
        findings=[{"severity": "problem", "title": "a\nb", "text": "c\nd"}],
        command=["pytest", "--model=a b.pt", "-q"],
    )
    second = record(
        suite=base.suite.model_dump() | {"sets": {"fog": fog}},
        environment=base.environment.model_dump() | {"compute": plain},
        findings=[],
    )
    runs = [StoredRun("r.json", first), StoredRun("s.json", second)]
    page = parsed(render_page(runs, baseline=stored("old.json", [0, 1, 2])))
    assert f"{page.one(id='data').lines}\n\n{page.one(id='provenance').lines}" == snapshot


def test_records_of_one_run_state_facts_once(demo: StoredRun, textured: StoredRun) -> None:
    words = {"findings": (), "command": ("pytest", "--model=demo", "--model=demo-textured")}
    runs = [replace(run, record=run.record.model_copy(update=words)) for run in (demo, textured)]
    page = parsed(render_page(runs))
    data = page.one(id="data").text
    provenance = page.one(id="provenance").text
    assert data.count("The doctor found no problem") == 1
    assert [provenance.count(words) for words in ("Measure again", "Make this page again")] == [1, 1]
    assert provenance.count("Print the verdict again") == 2
    assert [row.text.split() for row in page.one(id="data").all("tr")[:2]] == [
        ["set", "images"],
        ["clean", "400"],
    ]
    figures = page.one(id="dimensions").text
    assert figures.count("accuracy divided by clean accuracy") == 1
    assert figures.count("Relative accuracy of demo-textured by corruption and severity.") == 1


def test_inputs_with_their_text() -> None:
    row = {"kind": "threshold file", "path": "x.yaml", "sha256": "ab" * 32}
    texts = ["schema: 1\n\tx: 2\n", "x" * 25_000, None]
    run = record(inputs=[row | {"text": text} for text in texts])
    provenance = parsed(render_page([StoredRun("r.json", run)])).one(id="provenance")
    first, second, hashed = provenance.all("pre")
    assert first.children == ["schema: 1\n    x: 2"]
    assert len(second.text) == 20_000
    assert provenance.text.count("5,000 more characters are left out.") == 1
    assert provenance.text.count("ab" * 32) == 3
    assert hashed.text.startswith("0" * 32)

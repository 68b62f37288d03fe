"""The section "Where it stands" in a browser: ranks, state in the address, keyboard, and no JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from support.own_records import SWIN_B, own_run
from support.watched_page import OpenPage, quiet_pages

from quba_check.cli.main import main
from quba_check.comparison.stored_run import StoredRun
from quba_check.grading import population
from quba_check.page.render import render_page
from quba_check.study.ranking import Constraints, rank

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WEIGHTINGS: dict[str, dict[str, float]] = {
    "default": {},
    "robust": {"adversarial_robustness": 2, "corruption_robustness": 1.5, "accuracy": 0.25},
    "small": {"parameters": 3, "shape_bias": 0, "calibration_error": 0.1},
    "fine": {"accuracy": 1 / 7, "object_focus": 12.5},
}


def own_swin() -> StoredRun:
    return own_run({**SWIN_B, "accuracy": 0.85}, name="my <b>swin</b>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a record and its page: Swin-B with a better accuracy, next to the published models."""
    folder = tmp_path_factory.mktemp("ranking")
    run = own_swin()
    (folder / "swin.json").write_text(run.record.to_json(), encoding="utf-8")
    (folder / "swin.html").write_text(render_page([run], population="published"), encoding="utf-8")
    return folder


@pytest.fixture
def open_section(browser: Browser, folder: Path) -> Iterator[OpenPage]:
    """Opens the page at a fragment; see `quiet_pages`."""
    with quiet_pages(browser) as open_file:
        yield lambda *rest, **options: open_file(folder / "swin.html", *rest, **options)


def fragment(weights: Mapping[str, float], **state: str) -> str:
    return f"#{urlencode({**state, **{f'w.{name}': repr(weight) for name, weight in weights.items()}})}"


def rows(page: Page) -> dict[str, tuple[str, float | None]]:
    """Rank and score of each model, all of them shown."""
    more = page.locator("#ranking [data-part=more]")
    if more.is_visible():
        more.click()
    cells = page.evaluate(
        """[...document.querySelectorAll("#ranking [data-part=table] tbody tr")].map(
          (row) => [row.cells[1].textContent, row.cells[0].textContent, row.dataset.score])"""
    )
    return {name: (rank, None if score == "null" else float(score)) for name, rank, score in cells}


def wait_for_status(page: Page, text: str) -> None:
    from playwright.sync_api import expect

    expect(page.get_by_role("status")).to_contain_text(text)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_ranks_equal_those_of_the_command(
    open_section: Any, folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = WEIGHTINGS[name]
    words = [f"--weight={dimension}={weight!r}" for dimension, weight in weights.items()]
    assert main(["published", "rank", str(folder / "swin.json"), "--format=json", *words]) == 0
    models = {model["id"]: model for model in json.loads(capsys.readouterr().out)["models"]}
    shown = rows(open_section(fragment(weights)))
    assert shown.keys() == models.keys()
    assert len(shown) == 327
    for model, (place, score) in shown.items():
        assert place == str(models[model]["rank"])
        assert score == pytest.approx(models[model]["score"], abs=1e-9)


def test_ranks_of_screened_models_under_filters(open_section: Any) -> None:
    state = fragment({"accuracy": 2}, population="screened", family="transformer", training="supervised")
    shown = rows(open_section(state))
    properties = {"architecture": ("transformer",), "training": ("supervised",)}
    models = rank(population("screened"), {"accuracy": 2}, Constraints(properties=properties))  # type: ignore[arg-type]
    for model in models:
        place, score = shown[model.id]
        assert place == ("–" if model.rank is None else str(model.rank))
        assert score == (None if model.score is None else pytest.approx(model.score, abs=1e-9))
    assert len(shown) == len(models) + 1


def test_a_slider_changes_ranks_and_announces_them(open_section: Any) -> None:
    page = open_section()
    wait_for_status(page, "326 models ranked; first: EVA02-b-21k; my <b>swin</b>: rank 104 of 327")
    page.locator("input[data-name='w.parameters']").fill("0")
    own = next(
        model for model in rank(population("published"), {"parameters": 0}, runs=[own_swin()]) if model.is_own
    )
    wait_for_status(page, f"my <b>swin</b>: rank {own.rank} of 327")
    assert "w.parameters=0" in page.evaluate("location.hash")
    scores = {model.id: model.score for model in rank(population("published"), {"parameters": 0})}
    shown = rows(page)
    assert {name: shown[name][1] for name in scores} == pytest.approx(scores, abs=1e-9)
    page.get_by_role("button", name="Default weights").click()
    assert "w." not in page.evaluate("location.hash")


def test_back_restores_axes_and_filters(open_section: Any) -> None:
    page = open_section()
    page.get_by_label("Across").select_option("shape_bias")
    page.get_by_label("Architecture").select_option("b-cos")
    assert page.evaluate("location.hash") == "#x=shape_bias&family=b-cos"
    assert len(rows(page)) == 13
    page.go_back()
    assert page.get_by_label("Architecture").input_value() == ""
    assert page.get_by_label("Across").input_value() == "shape_bias"
    page.go_back()
    assert page.get_by_label("Across").input_value() == "parameters"
    page.go_forward()
    page.go_forward()
    page.reload()
    assert page.get_by_label("Architecture").input_value() == "b-cos"
    assert page.locator("#ranking svg text", has_text="shape bias").count() == 1


def test_the_address_of_a_section_keeps_the_state(open_section: Any) -> None:
    page = open_section("#x=accuracy")
    page.locator("nav a", has_text="Where it stands").click()
    assert page.get_by_label("Across").input_value() == "accuracy"


def test_wrong_addresses_mean_the_defaults(open_section: Any) -> None:
    page = open_section("#x=weight&family=rnn&w.accuracy=-1&w.parameters=many&population=mine")
    assert page.get_by_label("Across").input_value() == "parameters"
    assert rows(page)["EVA02-b-21k"][1] == pytest.approx(1.0737656, abs=1e-6)


def test_the_chart_is_read_by_keyboard(open_section: Any) -> None:
    page = open_section()
    chart = page.get_by_role("listbox")
    chart.focus()
    assert "my <b>swin</b>: rank 104 of 327" in page.get_by_role("option", selected=True).last.inner_text()
    page.keyboard.press("Home")
    option = page.locator("#ranking [data-part=option]")
    assert option.inner_text().startswith(
        "EVA02-b-21k: rank 1 of 326, parameters 87.1 M, score 1.074, transformer"
    )
    assert option.get_attribute("id") == chart.get_attribute("aria-activedescendant")
    page.keyboard.press("ArrowDown")
    assert option.inner_text().startswith("Hiera-B-Plus: rank 2 of 326")
    assert option.get_attribute("id") == chart.get_attribute("aria-activedescendant")
    page.keyboard.press("End")
    assert option.inner_text().startswith("SigLIP2-l/16: rank 326 of 326")
    page.keyboard.press("ArrowDown")
    assert option.inner_text().startswith("SigLIP2-l/16")
    page.keyboard.press("ArrowUp")
    assert "rank 325 of 326" in option.inner_text()


def test_a_model_under_the_pointer_is_named(open_section: Any) -> None:
    page = open_section("#y=accuracy&x=class_balance")
    option = page.locator("#ranking [data-part=option]")
    ring = page.locator("#ranking .ring")
    page.get_by_role("listbox").press("End")
    last = option.inner_text()
    place = [float(ring.get_attribute(name)) for name in ("cx", "cy")]
    page.get_by_role("listbox").press("Home")
    assert option.inner_text() != last
    svg = page.locator("#ranking .scatter svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    unit = box["width"] / 720
    page.mouse.move(box["x"] + place[0] * unit, box["y"] + place[1] * unit)
    shown = "text => document.querySelector('#ranking [data-part=option]').innerText === text"
    page.wait_for_function(shown, arg=last, timeout=5000)


def test_the_table_is_sorted_by_its_headings(open_section: Any) -> None:
    page = open_section()
    heading = page.locator("#ranking [data-part=table] thead th", has_text="accuracy")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    best = page.locator("#ranking [data-part=table] tbody tr").first
    assert best.locator("th").inner_text() == "EVA02-b-21k"
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert best.locator("th").inner_text() == "BagNet9"
    page.locator("#ranking [data-part=table] thead th", has_text="parameters").get_by_role("button").click()
    assert best.locator("th").inner_text() == "SqueezeNet"
    page.locator("#ranking [data-part=table] thead th", has_text="model").get_by_role("button").click()
    assert best.locator("th").inner_text() == "AlexNet"


def test_no_weight_gives_no_rank(open_section: Any) -> None:
    page = open_section(fragment(dict.fromkeys(SWIN_B, 0.0)))
    wait_for_status(page, "0 models ranked; my <b>swin</b>: not ranked")
    assert {place for place, _ in rows(page).values()} == {"–"}


def test_without_javascript_the_table_is_there(open_section: Any) -> None:
    page = open_section(java_script_enabled=False)
    assert page.locator("#ranking .controls").is_hidden()
    assert page.locator("#ranking .scatter").is_hidden()
    names = page.locator("#ranking [data-part=table] tbody th").all_inner_texts()
    assert names[0] == "EVA02-b-21k"
    assert "my <b>swin</b>" in names
    assert len(names) == 23


def test_the_front_is_what_no_model_dominates(open_section: Any) -> None:
    page = open_section("#x=accuracy&y=shape_bias")
    path = page.locator("#ranking .scatter .front").get_attribute("d")
    values = {(row.values["accuracy"], row.values["shape_bias"]) for row in population("published").rows}
    front = [
        one
        for one in values
        if not any(other != one and other[0] >= one[0] and other[1] >= one[1] for other in values)
    ]
    assert path.count("M") + path.count("L") == len(front)


def test_points_lie_within_the_axes(open_section: Any) -> None:
    page = open_section("#x=parameters&y=accuracy")
    assert page.locator("#ranking svg text", has_text="parameters, millions (lower is better)").count() == 1
    dots = page.locator("#ranking .scatter path.f0").get_attribute("d").split("M")[1:]
    assert len(dots) == 170
    for dot in dots:
        x, y = map(float, dot.removesuffix("h0").split())
        assert 64 <= x <= 704
        assert 16 <= y <= 380
    assert page.locator("#ranking .scatter text.own").first.text_content() == "my <b>swin</b>"

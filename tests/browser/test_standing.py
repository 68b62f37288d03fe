"""The section "Where it stands" in a browser: ranks, filters, and the way to it by keyboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from support.watched_page import wait_for_address

from quba_check.cli.main import main

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.watched_page import OpenPage

TABLE = """[...document.querySelectorAll("#standing tbody tr")].map((row) =>
  [row.cells[1].textContent, row.cells[0].textContent, row.dataset.score])"""
VISIBLE = """(() => {
  const box = document.activeElement.getBoundingClientRect();
  const style = getComputedStyle(document.activeElement);
  return box.width > 0 && box.bottom > 0 && box.top < innerHeight && style.outlineStyle !== "none";
})()"""
WEIGHTS = [
    {},
    {"accuracy": 2.0, "parameters": 0.0},
    {"adversarial_robustness": 5.0, "calibration_error": 0.25},
    {"shape_bias": 3.0, "object_focus": 0.0, "class_balance": 1.5},
]


def standings(page: Page) -> dict[str, tuple[int | None, float | None]]:
    """Rank and score of each model in the table."""
    more = page.locator("#standing [data-part=more]")
    if more.is_visible():
        more.click()
    return {
        name: (None if rank == "–" else int(rank), None if score == "null" else float(score))
        for name, rank, score in page.evaluate(TABLE)
    }


@pytest.mark.parametrize("weights", WEIGHTS, ids=["default", "first", "second", "third"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("classes", ["--population", "published"]),
        ("both", ["textured.json", "demo.json", "--population", "demo"]),
    ],
)
def test_ranks_equal_those_of_the_command(
    open_page: OpenPage,
    pages: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    words: list[str],
    weights: dict[str, float],
) -> None:
    monkeypatch.chdir(pages["both"].parent)
    options = [f"--weight={dimension}={weight}" for dimension, weight in weights.items()]
    assert main(["rank", *words, *options, "--format", "json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    fragment = urlencode({f"w.{dimension}": weight for dimension, weight in weights.items()})
    shown = standings(open_page(name, f"#{fragment}"))
    assert len(models) >= 18
    for model in models:
        rank, score = shown[model["id"]]
        assert (rank, score) == (model["rank"], pytest.approx(model["score"], abs=1e-9)), model["id"]


def test_a_filter_changes_table_and_address(open_page: OpenPage) -> None:
    page = open_page("classes")
    everything = standings(page)
    page.get_by_label("Architecture").select_option("transformer")
    wait_for_address(page, "#family=transformer")
    some = standings(page)
    assert set(some) < set(everything)
    assert [rank for rank, _ in some.values() if rank is not None] == list(range(1, len(some)))
    page.go_back()
    wait_for_address(page, "")
    assert page.get_by_label("Architecture").input_value() == ""
    page.go_forward()
    wait_for_address(page, "#family=transformer")
    page.reload()
    assert page.get_by_label("Architecture").input_value() == "transformer"
    assert standings(page) == some


def test_the_way_by_keyboard(open_page: OpenPage) -> None:
    """From the header to a failed demand, the chart and a filter, with tab, arrow keys and enter alone."""
    page = open_page("classes")
    tab_to(page, "header a")
    page.keyboard.press("Enter")
    wait_for_address(page, "#d=accuracy")
    opened = page.locator("details.demand[open]")
    opened.wait_for()
    assert has_focus(page, "details.demand summary")
    page.keyboard.press("Enter")
    opened.wait_for(state="detached")
    page.keyboard.press("Enter")
    opened.wait_for()
    tab_to(page, "#standing [role=listbox]")
    before = page.locator("#standing [role=option]").inner_text()
    page.keyboard.press("End")
    assert page.locator("#standing [role=option]").inner_text() != before
    shown = page.locator("#standing [data-part=shown]").inner_text()
    tab_to(page, "#standing [data-name=family]", "Shift+Tab")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => location.hash.includes('family=')", timeout=5_000)
    assert page.locator("#standing [data-part=shown]").inner_text() != shown


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press a key until an element has the focus. Each stop must be visible, and shown to have the focus."""
    for _ in range(150):
        page.keyboard.press(key)
        assert page.evaluate(VISIBLE), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if has_focus(page, selector):
            return
    pytest.fail(f"no tab stop {selector}")


def has_focus(page: Page, selector: str) -> bool:
    return bool(page.evaluate("(selector) => document.activeElement.matches(selector)", selector))

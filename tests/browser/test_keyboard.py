"""The way from the header to a failed demand, the chart and a filter, by keyboard alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.watched_page import wait_for_address

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from support.watched_page import OpenPage

VISIBLE = """(() => {
  const box = document.activeElement.getBoundingClientRect();
  const style = getComputedStyle(document.activeElement);
  return box.width > 0 && box.bottom > 0 && box.top < innerHeight && style.outlineStyle !== "none";
})()"""


def test_the_way_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("classes")
    tab_to(page, "header a")
    page.keyboard.press("Enter")
    wait_for_address(page, "#d=accuracy")
    opened = page.locator("[id='d=accuracy'][open]")
    opened.wait_for()
    assert has_focus(page, "details.demand summary")
    page.keyboard.press("Enter")
    opened.wait_for(state="detached")
    page.keyboard.press("Enter")
    opened.wait_for()
    tab_to(page, "#ranking [role=listbox]")
    before = page.locator("#ranking [role=option]").inner_text()
    page.keyboard.press("End")
    assert page.locator("#ranking [role=option]").inner_text() != before
    shown = page.locator("#ranking [data-part=shown]").inner_text()
    tab_to(page, "#ranking [data-name=family]", "Shift+Tab")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => location.hash.includes('family=')", timeout=5_000)
    assert page.locator("#ranking [data-part=shown]").inner_text() != shown


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

"""The page in QUBA_PAGE, of a run of demo-textured with six pictures for each demand; `.ci/run` makes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.page_layout import layout_problems
from support.watched_page import watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MADE = os.environ.get("QUBA_PAGE", "")


@pytest.mark.skipif(not MADE, reason="QUBA_PAGE names no page; .ci/run makes one")
def test_verdict_charts_and_pictures(browser: Browser) -> None:
    address = Path(MADE).absolute().as_uri()
    watched = watch(browser.new_context(), address)
    page = watched.page
    page.goto(f"{address}#d=object_focus")
    assert "FAIL" in page.locator("header").inner_text()
    assert page.locator("details.demand[open]").count() == 1
    assert page.locator("#demands svg").count() > 0
    loaded = "[...document.querySelectorAll('#demands img')].map((img) => img.naturalWidth > 0)"
    assert page.evaluate(loaded) == [True] * 18
    problems = layout_problems(page)
    page.set_viewport_size({"width": 390, "height": 844})
    problems += layout_problems(page)
    page.context.close()
    assert problems == []
    assert (watched.messages, watched.requests) == ([], [])

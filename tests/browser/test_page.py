"""The page in a browser. `open_page` also checks that no page sends a request or reports an error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.page_layout import layout_problems, open_all
from support.sample_records import HOSTILE
from support.watched_page import wait_for_address

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from support.watched_page import OpenPage

NAMES = ("passed", "failed", "both", "pictures", "pictures of both", "hostile", "gaps", "classes", "parity")
each_page = pytest.mark.parametrize("name", NAMES)
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 600}}
ZOOMED = {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}
"""A window of 1280 pixels at a zoom of 200 %."""


LOADED = "() => [...document.querySelectorAll('#demands img')].every((img) => img.naturalWidth > 0)"


def is_open(page: Page, place: int) -> bool:
    return page.locator("details.demand").nth(place).get_attribute("open") is not None


@each_page
@pytest.mark.parametrize("screen", [DESKTOP, PHONE, ZOOMED], ids=["desktop", "phone", "zoom 200 %"])
def test_open_rows_fit_and_can_be_read(open_page: OpenPage, name: str, screen: dict[str, Any]) -> None:
    page = open_page(name, **screen)
    assert layout_problems(page) == []
    needed, given = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert needed <= given
    cut = """[...document.querySelectorAll("table, figure, .scroll, pre")].filter(
      (each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.outerHTML.slice(0, 120))"""
    assert page.evaluate(cut) == []


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_numbers_of_a_matrix_fit_their_cells(open_page: OpenPage, screen: dict[str, Any]) -> None:
    page = open_page("matrix", **screen)
    assert layout_problems(page) == []
    numbers = page.locator(".matrix td:not(:empty):visible")
    assert numbers.count() == 60
    assert (
        numbers.evaluate_all("(cells) => cells.filter((cell) => cell.scrollWidth > cell.clientWidth)") == []
    )


@pytest.mark.parametrize("name", ["passed", "failed"])
def test_the_header_fits_a_phone(open_page: OpenPage, name: str) -> None:
    box = open_page(name, **PHONE).locator("header").first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 600


SCHEMES = [("failed", "light"), ("failed", "dark"), ("pictures", "light"), ("pictures", "dark")]


@pytest.mark.parametrize(("name", "scheme"), [*SCHEMES, ("both", "dark"), ("gaps", "light")])
def test_accessibility(browser: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(pages[name].as_uri())
    open_all(page)
    results = Axe().run(page)
    report = results.generate_report()
    context.close()
    assert results.violations_count == 0, report
    assert results.response["testEngine"]["name"] == "axe-core"


@each_page
def test_without_javascript(open_page: OpenPage, name: str) -> None:
    page = open_page(name, java_script_enabled=False)
    assert page.locator("header .verdict").first.is_visible()
    assert page.locator("header .verdict").first.inner_text().strip()
    assert page.locator("#demands svg[role=img]:visible").count() > 0
    assert page.locator("#dimensions svg[role=img]:visible").count() > 0
    tables = page.locator("table:visible")
    assert tables.count() > 0
    assert tables.first.locator("tr").count() > 1


def test_hostile_names_are_shown_and_not_run(open_page: OpenPage) -> None:
    page = open_page("hostile", "#d=ood_robustness")
    open_all(page)
    assert page.title() != "run"
    assert page.evaluate("document.querySelectorAll('script:not([type])').length") == 1
    assert page.evaluate("document.querySelectorAll('[onerror], img[src=x]').length") == 0
    text = page.locator("body").inner_text()
    shown = HOSTILE.replace("\u202e", "\\u202e")
    assert text.count(shown) >= 5
    assert "49" not in page.locator("h1").first.inner_text()
    assert "\u202e" not in page.content()


def test_an_address_opens_its_demand(open_page: OpenPage) -> None:
    page = open_page("failed", "#d=object_focus")
    opened = page.locator("details.demand[open]")
    assert opened.count() == 1
    assert "object_focus" in opened.locator("summary").inner_text()
    assert opened.bounding_box()["y"] < 900  # type: ignore[index]


def test_the_first_three_failed_demands_are_open(open_page: OpenPage) -> None:
    page = open_page("failed")
    assert [is_open(page, place) for place in range(4)] == [True, True, True, False]
    assert "#" not in page.url
    page.locator("details.demand").nth(0).locator("summary").click()
    page.locator("details.demand").nth(0).and_(page.locator(":not([open])")).wait_for()
    assert "#" not in page.url
    assert page.locator("details.demand[open]").count() == 2


def test_back_and_reload_restore_the_state(open_page: OpenPage) -> None:
    page = open_page("failed")
    demands = page.locator("details.demand")
    first, second = (demands.nth(place).get_attribute("id") for place in (3, 4))
    for place, name in enumerate((first, second), 3):
        demands.nth(place).locator("summary").click()
        wait_for_address(page, f"#{name}")
    page.go_back()
    wait_for_address(page, f"#{first}")
    demands.nth(4).and_(page.locator(":not([open])")).wait_for()
    assert is_open(page, 3)
    page.go_forward()
    wait_for_address(page, f"#{second}")
    page.locator(f"[id='{second}'][open]").wait_for()
    page.reload()
    page.locator(f"[id='{second}'][open]").wait_for()


def test_the_page_of_the_demo_takes_six_sheets(open_page: OpenPage) -> None:
    from pypdf import PdfReader

    sheets = PdfReader(io.BytesIO(open_page("passed").pdf(format="A4"))).pages
    assert len(sheets) <= 6
    assert all(len(sheet.extract_text().split()) > 40 for sheet in sheets)


@pytest.mark.parametrize("name", ["failed", "both", "pictures"])
def test_no_sheet_ends_with_a_heading(open_page: OpenPage, name: str) -> None:
    from pypdf import PdfReader

    page = open_page(name)
    sheets = PdfReader(io.BytesIO(page.pdf(format="A4"))).pages
    headings = {*page.locator("h2").all_inner_texts(), "Values of all dimensions, with 95 % intervals"}
    assert not headings & {sheet.extract_text().strip().splitlines()[-1] for sheet in sheets}
    assert all(len(sheet.extract_text().split()) > 60 for sheet in sheets[:-1])


def test_print_begins_with_the_verdict(open_page: OpenPage) -> None:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(open_page("failed").pdf(format="A4")))
    first = reader.pages[0].extract_text()
    assert "FAIL" in first
    assert "demo-textured" in first
    assert "of 11 demands passed, 3 failed" in " ".join(first.split())
    assert len(reader.pages) <= 8


@pytest.mark.parametrize("name", ["pictures", "pictures of both"])
def test_pictures_are_shown(open_page: OpenPage, name: str) -> None:
    page = open_page(name)
    open_all(page)
    pictures = page.locator("#demands img")
    assert pictures.count() >= 24
    pictures.last.scroll_into_view_if_needed()
    page.wait_for_function(LOADED, timeout=5_000)
    texts = page.evaluate("[...document.querySelectorAll('#demands img')].map((img) => img.alt)")
    assert all(texts)

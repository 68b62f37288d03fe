"""A browser for tests of the page: one process for all of them, without a network.

Without Debian's chromium or Playwright the tests are skipped. With QUBA_REQUIRE_BROWSER=1, as in CI, they
fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.generated_images import Images
from support.parity_runs import with_parity
from support.sample_records import (
    judged,
    run_of_1000_classes,
    run_with_confusions,
    sample,
    with_gaps,
    with_hostile_names,
    write_samples,
)
from support.watched_page import OpenPage, quiet_pages

from quba_check.page.pictures import make_pictures
from quba_check.page.render import render_page
from quba_check.suites.opening import DEMO_SUITE, find_suite
from quba_check.suites.set_images import SetImages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REQUIRED = "QUBA_REQUIRE_BROWSER"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing_browser() -> str | None:
    """The reason why no browser can be started; None if one can."""
    if shutil.which("chromium") is None:
        return "chromium is missing (apt-get install chromium)"
    for package in ("playwright", "axe_playwright_python", "pypdf"):
        if find_spec(package) is None:
            return f"{package} is missing (pip install 'quba-check[test]')"
    return None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    reason = missing_browser()
    if reason is not None:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{reason}; {REQUIRED} is set")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of pages by name, made from records."""
    folder = tmp_path_factory.mktemp("pages")
    write_samples(folder)
    demo = sample(folder, "demo")
    textured = sample(folder, "textured")
    images = SetImages(find_suite(DEMO_SUITE, tmp_path_factory.getbasetemp() / "demo-images"))
    hostile = with_hostile_names(textured)
    parity = with_parity(textured)
    failing = [textured, judged(demo)]
    texts = {
        "passed": render_page([demo]),
        "failed": render_page([textured], baseline=demo),
        "both": render_page([textured, demo]),
        "pictures": render_page([textured], pictures=make_pictures([textured], [images], 8, baseline=demo)),
        "pictures of both": render_page(failing, pictures=make_pictures(failing, [images] * 2, 6)),
        "hostile": render_page([hostile], baseline=hostile),
        "gaps": render_page([with_gaps(textured)]),
        "parity": render_page([parity], pictures=make_pictures([parity], [Images(9)], 8)),
        "classes": render_page([run_of_1000_classes()]),
        "matrix": render_page([run_with_confusions()]),
    }
    files = {name: folder / f"{name}.html" for name in texts}
    for name, text in texts.items():
        files[name].write_text(text, encoding="utf-8")
    return files


@pytest.fixture
def open_page(browser: Browser, pages: dict[str, Path]) -> Iterator[OpenPage]:
    """Opens a page by its name and fragment; see `quiet_pages`."""
    with quiet_pages(browser) as open_file:
        yield lambda name, *rest, **options: open_file(pages[name], *rest, **options)

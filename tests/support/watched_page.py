"""A page in a browser without a network, with what it reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

OpenPage = Callable[..., "Page"]
"""Opens a page by name or file and fragment; options are those of the browser's context."""
VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`violates ${event.violatedDirective}: ${event.blockedURI || event.sample}`));"""


@dataclass
class WatchedPage:
    """A page and what it reported.

    Attributes:
        page: the page.
        messages: console messages, errors, and violations of the Content-Security-Policy.
        requests: addresses of requests other than for the page itself and data URLs; they are aborted.
    """

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def watch(context: BrowserContext, address: str, *, scripts: bool = True) -> WatchedPage:
    """Return a new page that may load nothing but an address."""
    page = context.new_page()
    watched = WatchedPage(page)

    def check(route: Route) -> None:
        url = route.request.url
        if url.partition("#")[0] == address or url.startswith("data:"):
            route.continue_()
        else:
            watched.requests.append(url)
            route.abort()

    context.route("**/*", check)
    page.on("console", lambda message: watched.messages.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: watched.messages.append(f"error: {error}"))
    if scripts:
        page.add_init_script(VIOLATIONS)
    return watched


@contextmanager
def quiet_pages(browser: Browser) -> Iterator[OpenPage]:
    """Give a function that opens a file at a fragment, each in a context of its own.

    Options are those of the context. In the end no page may have sent a request or a console message.
    """
    opened: list[WatchedPage] = []

    def open_(file: Path, fragment: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        address = file.as_uri()
        watched = watch(context, address, scripts=options.get("java_script_enabled", True))
        opened.append(watched)
        watched.page.goto(f"{address}{fragment}")
        return watched.page

    yield open_
    for watched in opened:
        watched.page.context.close()
    assert [watched.messages for watched in opened if watched.messages] == []
    assert [watched.requests for watched in opened if watched.requests] == []


def wait_for_address(page: Page, fragment: str) -> None:
    """Wait until the page has a fragment; changes of details are reported later than they happen."""
    page.wait_for_function(
        "(text) => decodeURIComponent(location.hash) === text", arg=fragment, timeout=5_000
    )

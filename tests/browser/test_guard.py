"""The guard of `open_page` notices requests, console messages and violations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from support.watched_page import watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = """<!doctype html><meta http-equiv="Content-Security-Policy" content="script-src 'none'">
<title>x</title><img src="https://example.com/a.png"><script>document.title = "run"</script>"""


def test_a_page_with_a_request_and_a_script(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    path.write_text(PAGE, encoding="utf-8")
    context = browser.new_context()
    opened = watch(context, path.as_uri())
    opened.page.goto(path.as_uri())
    context.close()
    assert opened.requests == ["https://example.com/a.png"]
    assert any("violates script-src" in message for message in opened.messages)

"""Text from outside in Markdown: shown as it is, never interpreted."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from quba_check.messages import one_line
from quba_check.reports.tables import code, code_block, table_row

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b",
    "`",
    "``x`",
    "@team",
    "#12",
    "a\nb",
    "\\|",
    "\\",
    "*b*",
    "&lt;",
    " ",
]


class Parts(HTMLParser):
    """The tags of an HTML text, and its text by tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.texts[tag][-1] += data


def rendered(markdown: str) -> Parts:
    return Parts(MarkdownIt("commonmark").enable("table").render(markdown))


@pytest.mark.parametrize("text", HOSTILE)
def test_code_shows_any_text(text: str) -> None:
    parts = rendered(f"x {code(text)} y")
    assert parts.tags == ["p", "code"]
    assert parts.texts["code"] == [one_line(text)]


@given(st.text(max_size=8))
def test_a_cell_shows_any_text(text: str) -> None:
    markdown = "\n".join([table_row(["a", "b"]), table_row(["---", "---"]), table_row([code(text), "z"])])
    parts = rendered(markdown)
    assert parts.tags.count("td") == 2
    assert set(parts.tags) == {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert parts.texts["code"] == [one_line(text).strip() or " "]
    assert parts.texts["td"][1] == "z"


@given(st.lists(st.text(alphabet="`~a\n<|", max_size=12), max_size=5))
def test_a_block_shows_any_lines(lines: list[str]) -> None:
    parts = rendered(f"{code_block(lines)}\n\nend")
    assert parts.tags == ["pre", "code", "p"]
    assert parts.texts["code"] == ["".join(f"{one_line(line)}\n" for line in lines)]
    assert parts.texts["p"] == ["end"]


def test_a_long_text_is_cut_in_the_middle() -> None:
    assert code("a" * 100 + "z", 11) == "`aaaaaa…aaaz`"
    assert code("a" * 11, 11) == f"`{'a' * 11}`"

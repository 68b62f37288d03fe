"""Tables of full width, and text from outside in Markdown: shown as it is, never interpreted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group
from rich.table import Table
from rich.text import Text
from support.rendered_markdown import rendered

from quba_check.messages import one_line
from quba_check.reports.tables import code, code_block, fit_encoding, markdown_table, plain_text, wrap_text


@pytest.mark.parametrize("columns", ["20", "300"])
def test_as_wide_as_it_is(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    table = Table(box=None, pad_edge=False)
    for title in ("a", "b"):
        table.add_column(title, no_wrap=True)
    table.add_row("x" * 500, ":smile: [bold]1")
    title = "a title of several words " * 30
    assert plain_text(Group(Text(title), table)) == (
        f"{title.rstrip()}\na{' ' * 501}b\n{'x' * 500}  :smile: [bold]1\n"
    )


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "a → b … ± ─ α é 🐝"),
        ("ascii", "a -> b ... +- - alpha \\xe9 \\U0001f41d"),
        ("latin-1", "a -> b ... ± - alpha é \\U0001f41d"),
        (None, "a → b … ± ─ α é 🐝"),
    ],
)
def test_text_that_an_encoding_lacks(encoding, expected):
    assert fit_encoding("a → b … ± ─ α é 🐝", encoding) == expected


def test_nothing():
    assert plain_text(Text("")) == "\n"


def test_lines_are_wrapped_with_a_hanging_indent():
    text = "doctor: m.pt: is odd in many ways.\n  evidence: three of four\n  fix: train\n    it"
    assert wrap_text(text, 20) == [
        "doctor: m.pt: is odd",
        "  in many ways.",
        "  evidence: three of",
        "    four",
        "  fix: train",
        "    it",
    ]


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


@pytest.mark.parametrize("text", HOSTILE)
def test_code_shows_any_text(text: str) -> None:
    parts = rendered(f"x {code(text)} y")
    assert parts.tags == ["p", "code"]
    assert parts.texts["code"] == [one_line(text)]


@given(st.text(max_size=8))
def test_a_cell_shows_any_text(text: str) -> None:
    markdown = markdown_table(["a", "b"], [[code(text), "z"]])
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

"""Tables of full width."""

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text

from quba_check.reports.tables import fit_encoding, plain_text, wrap_text


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

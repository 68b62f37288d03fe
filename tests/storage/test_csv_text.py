"""CSV without formulas, read again by the csv module."""

import csv
import io

import pytest

from quba_check.storage.csv_text import CsvCell, csv_text


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("a=1", "a=1"),
        ("a\r=1", "a\r=1"),
        ("a\n=1", "a\n=1"),
        ('a "b", c', 'a "b", c'),
        ("tench, Tinca tinca", "tench, Tinca tinca"),
        ("-0.5", "-0.5"),
        ("+1", "+1"),
        (-0.5, "-0.5"),
        (-3, "-3"),
        (None, ""),
        ("", ""),
        ("x;=1", "x;=1"),
        ("\udcff.png", "\\udcff.png"),
    ],
)
def test_a_cell(cell: CsvCell, written: str) -> None:
    text = csv_text(["first", "second"], [["x", cell]])
    assert text.encode()  # nothing is left that UTF-8 cannot hold
    assert ";" not in text or text.endswith('x,"x;=1"\n')  # some spreadsheets split there
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["first", "second"], ["x", written]]

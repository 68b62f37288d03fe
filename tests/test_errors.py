"""Near names."""

from __future__ import annotations

import pytest

from quba_check.errors import MOST_CHARACTERS, UserError, did_you_mean


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("resnet5", " Did you mean 'resnet50'?"),
        ("RESNET50", " Did you mean 'resnet50'?"),
        ("ReSNet50", " Did you mean 'resnet50'?"),
        ("clip-resnet5", " Did you mean 'clip-resnet50'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_capitals_make_no_other_name(word: str, meant: str) -> None:
    assert did_you_mean(word, ["clip-resnet50", "resnet50"]) == meant


def test_messages_are_one_line_that_can_be_printed() -> None:
    text = str(UserError("caf\udce9: got 'a\nb\x1b[31m'\u2028. Allowed: é, 猫, →."))
    assert text == "caf\\udce9: got 'a\\nb\\x1b[31m'\\u2028. Allowed: é, 猫, →."


def test_messages_are_cut_in_the_middle() -> None:
    text = str(UserError("begin " + "x" * 10_000 + " end"))
    assert len(text) == MOST_CHARACTERS + 3
    assert text.startswith("begin xxx")
    assert text.endswith("xxx end")

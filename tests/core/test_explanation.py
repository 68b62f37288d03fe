"""Explanations of verdicts, and those of older records, which have messages alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quba_check.core.explanation import Explanation
from quba_check.records.verdict import explanation_of_message

LINE = st.text(st.characters(categories=["L", "N", "P"]), min_size=1).filter(
    lambda text: not text.startswith("demanded")
)


@given(LINE, st.lists(LINE), LINE)
def test_a_message_has_headline_details_and_place(headline: str, details: list[str], place: str) -> None:
    explanation = Explanation(headline, details=tuple(details), place=place)
    read = explanation_of_message(explanation.text)
    assert (read.headline, read.details, read.place) == (headline, tuple(details), place)


@pytest.mark.parametrize(
    ("headline", "reason"),
    [
        ("accuracy could not be measured: no images", "no images"),
        ("accuracy was skipped: first release", "first release"),
        ("accuracy[min] was not judged: the session ended first", "the session ended first"),
        ("fgsm 0.4 is no evidence of robustness: FGSM helps", "FGSM helps"),
        ("accuracy 0.9 is below 0.95 (short by 0.05)", ""),
    ],
)
def test_the_reason_follows_the_words_of_the_outcome(headline: str, reason: str) -> None:
    assert explanation_of_message(f"{headline}\n  n = 3 images\n  demanded by t.yaml:3").reason == reason


def test_a_message_without_lines() -> None:
    assert explanation_of_message("") == Explanation("")

"""Similar words for suggestions."""

from __future__ import annotations

import pytest

from quba_check.messages import did_you_mean


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

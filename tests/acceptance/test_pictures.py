"""`--quba-pictures`: the page of a run shows images behind its failed demands."""

from __future__ import annotations

import re

from acceptance.runs import Judge

FAILING = """\
schema: 1
dimensions:
  accuracy: {min: 1.0}
  ood_robustness: {min: 9.0}
"""


def pictures(judge: Judge, *arguments: str) -> list[str]:
    judge.write("thresholds/x.yaml", FAILING)
    result = judge("thresholds/x.yaml", "--quba-html=out/page.html", *arguments)
    assert result.ret == 1, result.outlines
    page = judge.pytester.path / "out/page.html"
    return re.findall(
        r'<img src="data:image/webp;base64,[^"]+" alt="image of class (\w+)"', page.read_text("utf-8")
    )


def test_they_are_shown_if_asked_for(judge: Judge) -> None:
    shown = pictures(judge, "--quba-pictures=2")
    assert 1 <= len(shown) <= 4
    assert set(shown) <= {"apple", "brick", "cloud"}
    assert pictures(judge) == []

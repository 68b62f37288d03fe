"""The table of a comparison."""

import json

import pytest
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.compare import ChangeRow, Comparison, SideRow
from quba_check.reports.comparison import comparison_text


def side(name: str) -> SideRow:
    return SideRow(file=f"{name}.json", model=name, fingerprint="0", time="now")


def row(name: str, part: str | None, before: float, after: float, **changed: object) -> ChangeRow:
    content = {
        "dimension": name, "part": part, "unit": "ratio", "better": "high", "before": before, "after": after,
        "change": after - before, "finding": "within noise", "paired": True, "n": 400,
        "interval": (after - before - 0.031, after - before + 0.031),
    }  # fmt: skip
    return ChangeRow.model_validate(content | changed)


ROWS = (
    row("accuracy", None, 0.975, 0.96, unit="fraction", lost=16, gained=10, p=0.3269),
    row("adversarial_robustness", None, 0.494, 0.619, finding="better"),
    row("adversarial_robustness", "worst_case", 0.39, 0.469, finding="better", paired=False),
    row("class_balance", "between_class_confidence", 0.896, 0.986, better=None, finding="unknown"),
    row("parameters", None, 25.557032, 304.33, unit="millions", finding="worse", interval=None),
)
NOTE = "new.json: this run fails its own demands: ood_robustness[min], object_focus[min], shape_bias[min]"


def compared(*rows: ChangeRow, notes: tuple[str, ...] = (NOTE,)) -> Comparison:
    return Comparison(
        before=side("old"), after=side("new"), suite="demo", protocol="standard", changes=rows, notes=notes
    )


CLOSE = (row("accuracy", None, 0.4999996, 0.5), row("shape_bias", None, 0.5, 0.5 + 1e-12))
SIZE = row("size", None, 102.23, 25.7, unit="megabytes", finding="better", interval=None)


@pytest.mark.parametrize("kind", ["table", "markdown"])
def test_texts(kind: str, snapshot: SnapshotAssertion) -> None:
    """Numbers that differ by little have more digits; the unit stands after the name."""
    whole = [comparison_text(compared(*ROWS), kind, parts=parts) for parts in (False, True)]
    others = [comparison_text(compared(*rows, notes=()), kind, parts=False) for rows in ((SIZE,), CLOSE)]
    assert "\n".join([*whole, *others]) == snapshot


def test_json_is_ascii() -> None:
    text = comparison_text(compared(*ROWS, notes=("modèle 🐝",)), "json", parts=False)
    assert text.isascii()
    assert json.loads(text)["notes"] == ["modèle 🐝"]
    assert json.loads(text)["changes"][0]["p"] == 0.3269

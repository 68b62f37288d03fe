"""The table of a comparison."""

from __future__ import annotations

import json

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


def test_dimensions() -> None:
    assert comparison_text(compared(*ROWS), "table", parts=False) == (
        "old → new on demo, protocol standard\n"
        "dimension               before    after    change  interval          finding\n"
        "accuracy                 0.975    0.960   -0.0150  -0.0460..+0.0160  within noise\n"
        "adversarial_robustness   0.494    0.619    +0.125  +0.0940..+0.156   better\n"
        "parameters (M)          25.557  304.330  +278.773  -                 worse\n"
        "images that only one model classifies correctly, with McNemar's p:\n"
        "  accuracy: 16 lost, 10 gained, p = 0.33\n"
        "new.json: this run fails its own demands: ood_robustness[min],\n"
        "  object_focus[min], shape_bias[min]\n"
    )


def test_units_stand_after_the_name() -> None:
    size = row("size", None, 102.23, 25.7, unit="megabytes", finding="better", interval=None)
    shown = comparison_text(compared(size), "table", parts=False).splitlines()
    assert shown[2].split() == ["size", "(MB)", "102.230", "25.700", "-76.530", "-", "better"]


def test_parts() -> None:
    assert comparison_text(compared(*ROWS, notes=()), "table", parts=True) == (
        "old → new on demo, protocol standard\n"
        "dimension                   before    after    change  interval          finding\n"
        "accuracy                     0.975    0.960   -0.0150  -0.0460..+0.0160  within noise\n"
        "adversarial_robustness       0.494    0.619    +0.125  +0.0940..+0.156   better\n"
        "  worst_case                 0.390    0.469   +0.0790  +0.0480..+0.110*  better\n"
        "  between_class_confidence   0.896    0.986   +0.0900  +0.0590..+0.121   -\n"
        "parameters (M)              25.557  304.330  +278.773  -                 worse\n"
        "images that only one model classifies correctly, with McNemar's p:\n"
        "  accuracy: 16 lost, 10 gained, p = 0.33\n"
        "*: unpaired, from the intervals of both values\n"
    )


def test_numbers_that_differ_by_little() -> None:
    rows = [row("accuracy", None, 0.4999996, 0.5), row("shape_bias", None, 0.5, 0.5 + 1e-12)]
    assert comparison_text(compared(*rows, notes=()), "table", parts=False) == (
        "old → new on demo, protocol standard\n"
        "dimension      before      after  change  interval          finding\n"
        "accuracy    0.4999996  0.5000000  0.0000  -0.0310..+0.0310  within noise\n"
        "shape_bias      0.500      0.500  0.0000  -0.0310..+0.0310  within noise\n"
    )


def test_json_is_ascii() -> None:
    text = comparison_text(compared(*ROWS, notes=("modèle 🐝",)), "json", parts=False)
    assert text.isascii()
    assert json.loads(text)["notes"] == ["modèle 🐝"]
    assert json.loads(text)["changes"][0]["p"] == 0.3269

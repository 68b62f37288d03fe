"""The README states what is true, on one page."""

import html
import re
from pathlib import Path

from quba_check.core.facts import SuiteFacts
from quba_check.core.view import CORRUPTIONS
from quba_check.demands import read_thresholds

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SUITE = SuiteFacts("imagenet", 1000, ("sketch",), CORRUPTIONS, {"sketch": None})
MOST_LINES = 200
MOST_WORDS = 900


def test_it_is_one_page() -> None:
    assert len(README.splitlines()) <= MOST_LINES
    assert len(README.split()) <= MOST_WORDS


def test_its_first_blocks_are_one_line_each_to_copy() -> None:
    assert re.findall(r"```console\n(.*?)```", README, re.DOTALL)[:2] == [
        "pip install . && pytest --model=demo\n",
        'pip install ".[test]" && pytest -q -n 2 tests\n',
    ]


def test_the_threshold_file_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    names = [demand.name for demand in read_thresholds(path, label="gate.yaml", suite=SUITE).demands]
    assert {"accuracy[min]", "calibration_error[max]", "quba.grade[min]"} <= set(names)
    assert "shape_bias[min]" not in names


def test_the_picture_shows_the_table_of_the_text() -> None:
    (table,) = re.findall(r"```\n(dimension .*?)```", README, re.DOTALL)
    picture = (ROOT / "docs/images/demo.svg").read_text(encoding="utf-8")
    shown = " ".join(html.unescape(re.sub("<[^>]*>", " ", picture)).split())
    for line in table.splitlines():
        assert " ".join(line.split()) in shown

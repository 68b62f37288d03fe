"""The digest of demands: by hand, unchanged by form, changed by whatever can change a verdict."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.tuned import FACTS

from quba_check.demands.reading import read_thresholds

BASE = (
    "dimensions: {accuracy: {min: 0.9, max_drop: 0.01}, adversarial_robustness: {min: 0.1}}\n"
    "quba: {min_grade: C}"
)


def digest(folder: Path, text: str, name: str = "x.yaml") -> str:
    (folder / name).write_text(f"schema: 1\n{text}\n", encoding="utf-8")
    (first, *_) = read_thresholds(folder / name, label=name, suite=FACTS).inputs
    assert first.demands is not None
    return first.demands


def test_by_hand(tmp_path: Path) -> None:
    text = "protocol: standard\nuncertain: fail\ndimensions: {parameters: {max: 5}, accuracy: {min: 0.9}}"
    expected = (
        '{"confidence":0.95,"demands":[["accuracy","min",0.9,"block",false,false],'
        '["parameters","max",5.0,"block",false,false]],"protocol":"standard","quba":null,"uncertain":"fail"}'
    )
    assert digest(tmp_path, text) == hashlib.sha256(expected.encode()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        f"# words\nname: x\n{BASE}",
        "extends: base.yaml",
        "extends: base.yaml\ndimensions: {accuracy: {min: 0.90}}\nuncertain: point\nconfidence: 0.95",
        "extends: more.yaml\ndimensions: {parameters: null}",
        BASE.replace("{min_grade: C}", "{min_grade: C, weights: {accuracy: 1}}"),
        "\n".join(reversed(BASE.replace("min: 0.9, max_drop: 0.01", "max_drop: 0.01, min: 0.9").split("\n"))),
    ],
)
def test_the_same_demands(tmp_path: Path, text: str) -> None:
    expected = digest(tmp_path, BASE, "base.yaml")
    digest(tmp_path, BASE.replace("dimensions: {", "dimensions: {parameters: {max: 3}, "), "more.yaml")
    assert digest(tmp_path, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "dimensions: {accuracy: null}",
        "dimensions: {accuracy: {min: 0.8}}",
        "dimensions: {accuracy: {max_drop: 0.02}}",
        "dimensions: {accuracy: {tier: warn}}",
        "dimensions: {accuracy: {optional: true}}",
        "dimensions: {adversarial_robustness: {allow_masked: true}}",
        "dimensions: {parameters: {max: 3}}",
        "protocol: standard",
        "uncertain: fail",
        "confidence: 0.9",
        "quba: {weights: {accuracy: 2}}",
        "quba: {population: demo}",
        "quba: {population: p.json}",
        "quba: {allow_missing: [shape_bias]}",
        "quba: {allow_other_suite: true}",
        "quba: {min_grade: D}",
    ],
)
def test_other_demands(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text("{}")
    expected = digest(tmp_path, BASE, "base.yaml")
    assert digest(tmp_path, f"extends: base.yaml\n{text}") != expected


def test_a_population_file_counts_by_its_bytes(tmp_path: Path) -> None:
    text = "quba: {min_score: 0, population: p.json}"
    (tmp_path / "p.json").write_text("{}")
    first = digest(tmp_path, text)
    (tmp_path / "q.json").write_text("{}")
    assert digest(tmp_path, text.replace("p.json", "q.json")) == first
    (tmp_path / "p.json").write_text("{ }")
    assert digest(tmp_path, text) != first

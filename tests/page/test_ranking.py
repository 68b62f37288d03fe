"""The section "Where it stands": sentences, rows, chart, data for its script, and its limits."""

import json
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from support.own_records import SWIN_B, own_run
from support.parsed_page import parsed

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading import Population, PopulationRow, population, published_models
from quba_check.page.columns import Reference, columns
from quba_check.page.ranking import ranking, script_json
from quba_check.page.render import render_page
from quba_check.study.statistics import study_tables

PUBLISHED = population("published")


def section(*runs: StoredRun, reference: Population | None = PUBLISHED) -> dict[str, Any]:
    return ranking(columns(runs), Reference(reference))


def fleet(size: int) -> Population:
    """Models with values at full precision."""
    random = np.random.default_rng(0)
    rows = tuple(
        PopulationRow(
            f"model-{k}-of-the-fleet",
            dict(
                zip(PUBLISHED_DIMENSIONS, [*random.uniform(0.2, 0.9, 8), random.uniform(1, 300)], strict=True)
            ),
        )
        for k in range(size)
    )
    return Population("fleet", "standard", "imagenet", rows, classes=1000)


def test_a_ranked_record() -> None:
    content = section(own_run())
    ((name, model),) = content["own"]
    assert (name, model.rank, model.rank_interval) == ("r50", 121, None)
    assert [note.partition(":")[0] for note in model.notes] == ["cross-protocol"]
    assert list(content["populations"]) == ["published", "screened"]
    assert [filter_["name"] for filter_ in content["filters"]] == ["family", "pretraining", "training"]
    assert next(iter(content["filters"][0]["counts"].items())) == ("cnn", 170)
    assert [content["titles"][name] for name in ("score", "accuracy", "parameters")] == [
        "QUBA score",
        "accuracy",
        "parameters, millions (lower is better)",
    ]


def test_the_study_of_the_population() -> None:
    content = section(own_run())
    assert content["study"] == study_tables(PUBLISHED)
    page = render_page([own_run()], population=PUBLISHED)
    for table in content["study"]:
        assert f"<caption>{escape(table.title)}</caption>" in page
        assert all(str(escape(cell.strip())) in page for row in table.rows for cell in row)
    assert len(section(own_run(), reference=fleet(12))["study"]) == 1


def test_the_interval_of_a_rank() -> None:
    run = own_run(error=0.01)
    first, *_ = parsed(render_page([run], population=PUBLISHED)).one(id="ranking").all("p")
    low, high = section(run)["own"][0][1].rank_interval
    assert first.text.startswith(
        "r50 : rank 121 of 327 by QUBA score with the default weights, next to 326 models of published; "
        f"95 % interval: rank {low} to {high}. cross-protocol: "
    )


def test_a_record_of_another_suite() -> None:
    content = section(own_run(suite="pets"))
    ((_, model),) = content["own"]
    assert model.reason.startswith("published was measured on imagenet, this run on pets")
    assert json.loads(content["data"])["own"][0]["drawn"] is False
    assert content["suite"] == "imagenet"
    assert section(own_run())["suite"] == ""


def test_no_population() -> None:
    assert section(own_run(), reference=None) == {}
    assert 'id="ranking"' not in render_page([own_run(suite="pets")])


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (fleet(9).rows, "small: too few models to compare with, got 9. Allowed: 10 or more."),
        ((PopulationRow("m", {}),), "small: it has no values of the nine dimensions"),
    ],
)
def test_a_population_without_ranks(rows: tuple[PopulationRow, ...], problem: str) -> None:
    small = Population("small", "standard", "imagenet", rows, classes=1000)
    assert section(own_run(), reference=small)["problem"] == problem


def test_a_dimension_without_spread_weighs_nothing() -> None:
    rows = tuple(PopulationRow(row.id, {**row.values, "parameters": 5.0}) for row in fleet(20).rows)
    content = section(own_run(), reference=Population("same", "standard", "imagenet", rows, classes=1000))
    assert "parameters" not in content["weights"]
    assert content["own"][0][1].rank is not None


def test_rows_are_the_best_and_the_neighbours_of_records() -> None:
    content = section(own_run())
    assert len(content["rows"]) == 24
    first, gap, before, own, after = content["rows"][0], *content["rows"][20:]
    assert first[1][:3] == ["1", "EVA02-b-21k", "1.074"]
    assert first[1][-4:] == ["87.1 M", "transformer", "imagenet-21k", "self-supervised"]
    assert gap is None
    assert [(cells[0], is_own) for is_own, cells in (before, own, after)] == [
        ("120", False),
        ("121", True),
        ("121", False),
    ]


def test_suspect_values_are_marked() -> None:
    content = section(own_run())
    hiera = next(row[1] for row in content["rows"] if row and row[1][1] == "Hiera-B-Plus")
    marked = [name for name, text in zip(PUBLISHED_DIMENSIONS, hiera[3:12], strict=True) if "?" in text]
    assert marked == ["adversarial_robustness", "calibration_error", "class_balance"]
    assert [doubt.partition(":")[0] for doubt in content["doubts"]] == ["double-softmax", "train-mode"]


def test_two_records_of_one_name_have_their_own_rows() -> None:
    better = own_run({**SWIN_B, "accuracy": 0.9}, file="better.json")
    content = section(own_run(), better)
    names = [name for name, _ in content["own"]]
    assert names == ["r50 (r50.json)", "r50 (better.json)"]
    own = [row[1][1] for row in content["rows"] if row and row[0]]
    assert own == ["r50 (better.json)", "r50 (r50.json)"]


# Data for the script.


def test_the_data_are_those_of_the_population() -> None:
    data = json.loads(section(own_run())["data"])
    assert data["ids"] == [model.id for model in published_models()]
    for name, column in zip(data["dimensions"], data["values"], strict=True):
        assert column == [model.values[name] for model in published_models()]
    for name in ("published", "screened"):
        twin = population(name)
        assert data["populations"][name]["mu"] == [twin.mu[dimension] for dimension in data["dimensions"]]
        assert data["populations"][name]["sigma"] == [
            twin.sigma[dimension] for dimension in data["dimensions"]
        ]
    family = data["groups"][0]
    assert [family["values"][int(digit)] for digit in family["of"]] == [
        model.family for model in published_models()
    ]
    for model, mask in zip(published_models(), data["doubtful"], strict=True):
        assert model.doubtful == {name for k, name in enumerate(data["dimensions"]) if mask >> k & 1}


def test_data_cannot_end_their_element() -> None:
    run = own_run(name="</script><script>alert(1)</script>")
    page = render_page([run])
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    assert json.loads(script_json({"a": "</script>"})) == {"a": "</script>"}


# Limits.


def test_the_data_of_the_published_models_are_compact() -> None:
    assert len(section(own_run())["data"].encode()) <= 40_000


def test_a_page_of_5000_models() -> None:
    assert len(render_page([own_run()], population=fleet(5000)).encode()) < 1_500_000

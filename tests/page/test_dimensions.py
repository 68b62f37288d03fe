"""Sections of dimensions: words, ranks, charts from tables, and sentences without tables."""

from pathlib import Path
from typing import Any

from support.rows import VERDICT
from support.sample_records import sample, write_samples
from support.tuned import quantity, record

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading.population import Population, PopulationRow
from quba_check.page.columns import Reference, columns, reference
from quba_check.page.dimensions import DimensionSection, dimension_sections, formula, paper

FAILED = VERDICT | {"outcome": "fail", "limit": 0.95}


def views(*runs: StoredRun, population: Population | None = None) -> dict[str, DimensionSection]:
    return {view.name: view for view in dimension_sections(columns(runs), Reference(population))}


def run(**measurements: dict[str, Any]) -> StoredRun:
    return StoredRun("r.json", record(measurements=measurements))


def test_every_published_dimension_has_words(tmp_path: Path) -> None:
    write_samples(tmp_path)
    demo = sample(tmp_path, "demo")
    sections = dimension_sections(columns([demo]), reference([demo]))
    assert tuple(view.name for view in sections) == PUBLISHED_DIMENSIONS
    for view in sections:
        assert view.registered == registry[view.name]
        assert formula(view.registered)
        assert paper(view.registered.source) == "https://arxiv.org/abs/2503.17110"
        assert view.figures
        assert view.parts


def test_a_custom_dimension() -> None:
    parts = {f"part{number}": quantity(0.1, None, "fraction") for number in range(120)}
    (view,) = views(run(speed=quantity(0.5, 0.1, "fraction", better="low", parts=parts))).values()
    assert (view.registered, view.better) == (None, "lower is better")
    assert len(view.parts) == 101
    assert view.parts[-1] == ("20 more in the record", "")
    assert view.figures == ()


def population(**values: list[float]) -> Population:
    rows = [
        PopulationRow(str(number), dict(zip(values, each, strict=True)))
        for number, each in enumerate(zip(*values.values(), strict=True))
    ]
    return Population("fleet", "standard", "tiny", tuple(rows), classes=10)


def test_ranks_count_worse_models() -> None:
    fleet = population(accuracy=[0.1, 0.5, 0.5, 0.9], calibration_error=[0.1, 0.5, 0.5, 0.9])
    row = quantity(0.5, 0.01, "fraction")
    sections = views(
        run(accuracy=row | {"better": "high"}, calibration_error=row | {"better": "low"}), population=fleet
    )
    assert sections["accuracy"].values[0].better_than == "better than 25 % of fleet"
    assert sections["calibration_error"].values[0].better_than == "better than 25 % of fleet"
    last = sections["accuracy"].figures[-1]
    assert last.caption == "4 models of the population fleet, with their median."


def test_an_adversarial_value_of_another_protocol_is_marked() -> None:
    fleet = Population(
        "fleet", "released", "tiny", (PopulationRow("a", {"adversarial_robustness": 0.2}),), classes=10
    )
    row = quantity(0.5, 0.01, "ratio", better="high")
    one = run(adversarial_robustness=row)
    (view,) = views(one, population=fleet).values()
    assert view.figures[-1].caption.endswith("so the values are not comparable.")
    assert view.values[0].better_than == ""
    assert Reference(fleet).median("adversarial_robustness", one.record) is None


def test_a_caption_is_about_the_records_of_its_figure() -> None:
    fleet = population(adversarial_robustness=[0.2, 0.6])
    measurements = {"adversarial_robustness": quantity(0.5, 0.01, "ratio", better="high")}
    suite = {"name": "another", "root": "/data", "fingerprint": "1" * 32}
    other = record(measurements=measurements, suite=suite, protocol="released")
    (view,) = views(run(**measurements), StoredRun("other.json", other), population=fleet).values()
    assert view.figures[-1].caption == "2 models of the population fleet, with their median."


def test_a_dimension_without_a_value_has_no_section() -> None:
    one = run(accuracy={"unmeasurable": "no images"}, shape_bias={"not_measured": True})
    assert views(one) == {}
    other = run(accuracy=quantity(0.9, 0.01, "fraction", better="high"))
    (view,) = views(one, other).values()
    assert [value.problem for value in view.values] == ["unmeasurable: no images", ""]


def test_a_demand_on_a_part_gives_the_dimension_no_sign() -> None:
    row = quantity(0.5, 0.01, "fraction", better="high")
    failed = FAILED | {"part": "top5", "name": "accuracy.top5[min]"}
    for verdicts, label in ([[failed], None], [[failed, FAILED], "FAIL"]):
        (view,) = views(
            StoredRun("r.json", record(measurements={"accuracy": row}, verdicts=verdicts))
        ).values()
        assert view.values[0].label == label


def test_a_masked_value() -> None:
    row = quantity(0.5, 0.01, "ratio", better="high", masked=["PGD is weaker than FGSM"])
    (view,) = views(run(adversarial_robustness=row)).values()
    assert view.values[0].problem == "masked, no evidence of robustness: PGD is weaker than FGSM"


def test_the_population_is_that_of_the_grade_or_the_suite(tmp_path: Path) -> None:
    write_samples(tmp_path)
    demo = sample(tmp_path, "demo")
    assert reference([demo]).name == "demo"
    ungraded = StoredRun("r.json", demo.record.model_copy(update={"grades": ()}))
    assert reference([ungraded]).name == "demo"
    assert reference([ungraded], "screened").name == "screened"
    assert reference([StoredRun("r.json", record())]).name == ""

"""`quba-check report --to text`: one page of text for any record."""

from pathlib import Path

import pytest
from cli.conftest import Run
from support.tuned import quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CORRUPTIONS


@pytest.fixture
def run(run: Run) -> Run:
    Path("a.json").write_text(record().to_json(), encoding="utf-8")
    return lambda words: run(f"report --to text {words}")


def test_a_population_of_another_suite_is_left_out(run, snapshot: SnapshotAssertion) -> None:
    assert run("a.json") == (0, snapshot, "")


def test_a_partial_record_of_another_suite(run, snapshot: SnapshotAssertion) -> None:
    assert run("a.json --population published") == (0, snapshot, "")


def test_parts_that_cost_most(run) -> None:
    parts = {name: quantity(0.7, None, "ratio", better="high") for name in CORRUPTIONS}
    parts |= {name: quantity(0.4, None, "ratio", better="high") for name in ("fog", "snow", "frost")}
    rows = {"corruption_robustness": quantity(0.64, None, "ratio", better="high", parts=parts)}
    Path("c.json").write_text(record(measurements=rows).to_json(), encoding="utf-8")
    lines = run("c.json")[1].splitlines()
    at = lines.index("parts that cost most (gain if the part were as good as the mean of the others):")
    assert lines[at + 1] == "  corruption_robustness: snow 0.400 (0.0171), frost 0.400 (0.0171)"


def test_the_worst_class_slice_and_confusion(run) -> None:
    confusions = {
        "columns": ["label", "predicted", "images", "share"],
        "rows": [["fox", "dog", 12, 0.24], ["dog", "fox", 9, 0.18]],
    }
    balance = quantity(0.8, None, "fraction", better="high", parts={})
    classes = {"columns": ["class", "images", "accuracy"], "rows": [["cat", 50, 0.9], ["fox", 50, 0.7]]}
    accuracy = quantity(0.8, 0.01, "fraction", better="high", parts={}) | {
        "tables": {"confusions": confusions}
    }
    light = accuracy["slices"] = {"light": {}}
    for kind, values in (("values", (0.9, 0.7, 0.1)), ("gaps", (-0.2, 0.2, 0.7))):
        each = (
            quantity(value, 0.01, "fraction") | {"n": n}
            for value, n in zip(values, (80, 90, 12), strict=True)
        )
        light["light"][kind] = dict(zip(("light=day", "light=night", "light=dusk"), each, strict=True))
    lines = [
        "worst class: fox, recall 0.700 (n = 50)",
        "worst slice: light=night, accuracy 0.700 (0.680..0.720)",  # light=dusk has too few images
        "most frequent confusion: fox as dog 12 (of 50)",
    ]
    rows = {"accuracy": accuracy, "class_balance": balance | {"tables": {"classes": classes}}}
    Path("w.json").write_text(record(measurements=rows).to_json(), encoding="utf-8")
    assert "\n\n" + "\n".join(lines) + "\n" in run("w.json")[1]
    single = {
        "columns": ["class", "images", "recall"],
        "rows": [["cat", 50, 0.9], ["owl", 4, 0.5], ["ant", 0, ""]],
    }
    rows["classes"] = balance | {
        "tables": {"classes": single, "confusions": confusions | {"rows": [["a", "b", 0, 0]]}}
    }
    Path("w.json").write_text(record(measurements=rows).to_json(), encoding="utf-8")
    lines[0] = "worst class: owl, recall 0.500 (n = 4)"
    assert "\n\n" + "\n".join(lines) + "\n" in run("w.json")[1]


def test_several_records(run) -> None:
    Path("b.json").write_text(record(0.7).to_json(), encoding="utf-8")
    assert run("a.json b.json")[1] == f"{run('a.json')[1]}\n{run('b.json')[1]}"


def test_every_page_has_at_most_sixty_lines_of_eighty_columns(run) -> None:
    rows = {name: row.model_dump() for name, row in record().measurements.items()}
    rows |= {f"custom_{k}": quantity(0.5, 0.1, "ms", better="low", parts={}) for k in range(30)}
    notes = tuple(f"note {k}: " + "words " * 30 for k in range(30))
    long = record(measurements=rows, notes=notes, interrupted=True)
    Path("long.json").write_text(long.to_json(), encoding="utf-8")
    code, out, _ = run("long.json")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    assert "and 23 custom dimensions" in lines
    assert lines[-1].startswith("  and ")
    assert lines[-1].endswith(" more, which the run's own report lists")


def test_an_interrupted_run_states_it(run) -> None:
    Path("i.json").write_text(record(interrupted=True).to_json(), encoding="utf-8")
    assert "  interrupted: not every demand was judged\n" in run("i.json")[1]


def test_the_reason_of_an_unmeasurable_dimension(run) -> None:
    rows = {"ood_robustness": {"unmeasurable": "there is no set of shifted images"}}
    Path("u.json").write_text(record(measurements=rows).to_json(), encoding="utf-8")
    out = run("u.json")[1]
    assert "ood_robustness          unmeasurable\n" in out
    assert "  ood_robustness: unmeasurable: there is no set of shifted images\n" in out


def test_the_threshold_file_gives_population_and_weights(run) -> None:
    Path("own.yaml").write_text(
        "schema: 1\ndimensions: {accuracy: {min: 0.5}}\n"
        "quba: {population: screened, weights: {accuracy: 9}}\n",
        encoding="utf-8",
    )
    out = run("a.json --thresholds own.yaml")[1]
    assert "against screened" in out
    assert "accuracy                       0.900  0.880..0.920          100 %     +0.185\n" in out
    assert "against published" in run("a.json --thresholds own.yaml --population published")[1]

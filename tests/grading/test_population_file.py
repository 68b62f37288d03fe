"""Populations on disk, and populations made of records."""

import json

import pytest

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.errors import PopulationError
from quba_check.grading import population, read_population
from quba_check.grading.population_file import population_from_records
from quba_check.records.record import Record


def content(**changes):
    rows = [{"id": f"m{k}", "values": dict.fromkeys(PUBLISHED_DIMENSIONS, k / 20)} for k in range(12)]
    return {"schema": 1, "name": "fleet", "protocol": "standard", "suite": "mine", "rows": rows} | changes


def record(k, *, protocol="standard", suite="mine", fingerprint=None, name=None, lacks=()):
    measured = {"value": k / 20, "unit": "fraction"}
    unmeasured = {"unmeasurable": "no data"}
    measurements = dict.fromkeys(PUBLISHED_DIMENSIONS, measured) | dict.fromkeys(lacks, unmeasured)
    return Record.model_validate(
        {
            "schema": 1,
            "model": {
                "spec": f"m{k}.pt",
                "name": name or f"m{k}",
                "fingerprint": fingerprint or f"f{k}",
                "parameters": 1000,
                "preprocessing": {},
                "classes": 10,
            },
            "suite": {"name": suite, "root": "/data", "fingerprint": "s"},
            "protocol": protocol,
            "measurements": measurements,
            "environment": {
                "versions": {},
                "device": "cpu",
                "precision": "fp32",
                "seed": 0,
                "time": "2026-01-01T00:00:00Z",
            },
        }
    )


def records(n=12, **changes):
    return {f"r{k}.json": record(k, **changes) for k in range(n)}


def write(path, what):
    path.write_text(what if isinstance(what, str) else json.dumps(what), encoding="utf-8")
    return path


def test_round_trip(tmp_path):
    made = population_from_records(records(lacks=["shape_bias"]), "fleet")
    read = population(write(tmp_path / "fleet.json", made.to_json()))
    assert (read.name, read.protocol, read.suite) == ("fleet", "standard", "mine")
    assert read.source == "records of 12 models"
    assert [row.id for row in read.rows] == [f"m{k}" for k in range(12)]
    assert read.rows[3].values["accuracy"] == 3 / 20
    assert "shape_bias" not in read.dimensions
    assert read.mu["accuracy"] == pytest.approx(5.5 / 20)


def test_names_that_models_share_get_their_fingerprint():
    made = population_from_records(records(10) | {"x.json": record(3, fingerprint="other")}, "fleet")
    assert [row.id for row in made.rows if row.id.startswith("m3")] == ["m3 (f3)", "m3 (other)"]


def test_later_keys_are_ignored(tmp_path):
    assert read_population(write(tmp_path / "p.json", content(colour="green"))).name == "fleet"


MADE = "Allowed: a file that 'quba-check published population' made."


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("{", "it is not JSON."),
        (content(schema=2), f"not a population: schema: Input should be 1. {MADE}"),
        (
            content(protocol="new"),
            f"not a population: protocol: Input should be 'standard' or 'released'. {MADE}",
        ),
        (
            content(rows=[{"id": "a", "values": {"acuracy": 1}}]),
            "not a population: rows.0: unknown dimension 'acuracy' in the values of 'a'. Allowed: "
            f"{', '.join(PUBLISHED_DIMENSIONS)}. Did you mean 'accuracy'? {MADE}",
        ),
        (
            content(rows=[{"id": "a", "values": {}}] * 2),
            f"not a population: the model 'a' is listed 2 times. {MADE}",
        ),
        (
            content(rows=[{"id": "a", "values": {"accuracy": float("nan")}}]),
            f"not a population: rows.0.values.accuracy: Input should be a finite number. {MADE}",
        ),
        (
            content(rows=[{"id": "a", "values": {"accuracy": -0.1}}]),
            f"not a population: rows.0: accuracy of 'a' cannot be -0.1: it is a number from 0 to 1. {MADE}",
        ),
        (
            content(rows=[{"id": "a", "values": {"parameters": -1}}]),
            f"not a population: rows.0: parameters of 'a' cannot be -1: it is a number from 0. {MADE}",
        ),
        (
            content(rows=[{"id": f"m{k}", "values": {"accuracy": 0.8}} for k in range(12)]),
            "not a population: accuracy is the same for all models, so they cannot be compared by it. "
            f"{MADE}",
        ),
    ],
)
def test_errors_in_a_file(tmp_path, what, message):
    path = write(tmp_path / "p.json", what)
    with pytest.raises(PopulationError) as raised:
        read_population(path)
    assert str(raised.value) == f"{path}: {message}"


def test_unreadable_files(tmp_path):
    (tmp_path / "p.json").write_bytes(b"\xff\xfe\xfa")
    for path, text in ((tmp_path, "this is a folder, not a file."), (tmp_path / "p.json", "it is not JSON.")):
        with pytest.raises(PopulationError) as raised:
            read_population(path)
        assert str(raised.value) == f"{path}: {text}"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (records(9), "population: too few records to compare with, got 9. Allowed: 10 or more."),
        (
            records() | {"x.json": record(40, protocol="released")},
            "x.json: a population has one protocol, got 'released' where r0.json has 'standard'.",
        ),
        (
            records() | {"x.json": record(40, suite="theirs")},
            "x.json: a population has one suite, got 'theirs' where r0.json has 'mine'.",
        ),
        (
            records() | {"x.json": record(40, fingerprint="f2", name="again")},
            "x.json: the model 'again' is in r2.json already (fingerprint f2).",
        ),
        (
            records() | {"x.json": record(40)},
            "population: accuracy of 'm40' cannot be 2: it is a number from 0 to 1.",
        ),
        (
            {f"r{k}.json": record(5, fingerprint=f"f{k}", name=f"m{k}") for k in range(12)},
            "population: accuracy is the same for all models, so they cannot be compared by it.",
        ),
    ],
)
def test_records_that_make_no_population(given, message):
    with pytest.raises(PopulationError) as raised:
        population_from_records(given, "fleet")
    assert str(raised.value) == message


def test_object_focus_may_be_negative_by_chance(tmp_path):
    rows = [{"id": f"m{k}", "values": {"object_focus": 1.02 - k / 10}} for k in range(12)]
    assert read_population(write(tmp_path / "p.json", content(rows=rows))).mu["object_focus"] < 1

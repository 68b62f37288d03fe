"""Demands on how much worse than a baseline a model may be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from acceptance.runs import CLEAN_IMAGES, HERE, Judge, same_findings, usage_error

from quba_check.cli.main import main
from quba_check.records.per_image import PerImage
from quba_check.records.record import Record

DROPS = """\
schema: 1
name: drops
dimensions:
  accuracy: {max_drop: 0.01, max_relative_drop: 2%}
"""


def run(judge: Judge, model: str, *arguments: str) -> pytest.RunResult:
    return judge("drops.yaml", "--quba-report=record.json", *arguments, model=f"nets:{model}")


@pytest.fixture
def other(two_runs: Judge) -> Judge:
    """Two records, and a file of demands on drops."""
    two_runs.write("drops.yaml", DROPS)
    return two_runs


def of_another_model(record: Path) -> None:
    """Turn a run into that of another model with the same right answers."""
    run = Record.model_validate_json(record.read_text(encoding="utf-8"))
    file = record.with_suffix(".npz")
    influences = PerImage.from_bytes(file.read_bytes(), file.name).influences
    rows = {name: row.model_copy(update={"outputs": None}) for name, row in run.measurements.items()}
    model = run.model.model_copy(update={"fingerprint": "0" * 32})
    run = run.model_copy(update={"model": model, "measurements": rows})
    record.write_text(run.to_json(), encoding="utf-8")
    file.write_bytes(PerImage(influences).to_bytes(run))


def messages(judge: Judge) -> list[str]:
    return [row["message"] for row in judge.record()["verdicts"]]


def test_the_same_model_has_not_dropped(other: Judge) -> None:
    assert run(other, "net", "--quba-baseline=net.json").ret == 0
    assert other.outcomes() == {"accuracy[max_drop]": "pass", "accuracy[max_relative_drop]": "pass"}


def test_a_worse_model(other: Judge) -> None:
    content = other.record("net.json")
    content["measurements"]["accuracy"] |= {"value": 1.0, "interval": None, "limits": None}
    content["environment"]["time"] = "2020-01-01T00:00:00+00:00"
    best = other.write("best.json", json.dumps(content))
    images = PerImage({"accuracy": {"clean": np.zeros(CLEAN_IMAGES)}})
    best.with_suffix(".npz").write_bytes(images.to_bytes(Record.model_validate(content)))
    assert run(other, "net", "--quba-baseline=best.json").ret == 1
    first, second = messages(other)
    lines = first.splitlines()
    assert lines[0] == "accuracy drop 0.333 is above 0.0100 (over by 0.323)"
    assert lines[1] == "  from 1.000 in best.json to 0.667, paired image by image"
    assert lines[-1] == "  demanded by drops.yaml:4"
    assert second.splitlines()[0] == "accuracy relative drop 0.333 is above 0.0200 (over by 0.313)"


def test_what_looks_at_no_image_has_none_to_differ_in(other: Judge) -> None:
    other.write("drops.yaml", "schema: 1\ndimensions: {parameters: {max_drop: 0, max_relative_drop: 5%}}\n")
    other("drops.yaml", "--quba-report=own.json")
    assert run(other, "net", "--quba-baseline=own.json").ret == 0
    assert set(other.outcomes().values()) == {"pass"}


@pytest.mark.parametrize("workers", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_non_inferiority_has_to_be_shown(other: Judge, workers: bool) -> None:
    other.write("drops.yaml", DROPS + "uncertain: fail\n")
    assert run(other, "net", "--quba-baseline=net.json").ret == 0
    of_another_model(other.pytester.path / "net.json")
    assert run(other, "net", "--quba-baseline=net.json").ret == 6
    assert other.outcomes()["accuracy[max_drop]"] == "uncertain"
    lines = messages(other)[0].splitlines()
    assert lines[:2] == [
        "accuracy drop 0.000 is not shown to be at most 0.0100",
        "  from 0.667 in net.json to 0.667, paired image by image",
    ]
    if workers:
        alone = other.record()
        assert run(other, "net", "--quba-baseline=net.json", "-n2", "-o", f"pythonpath={HERE}").ret == 6
        assert same_findings(other.record(), alone)


def test_without_a_baseline(other: Judge) -> None:
    assert run(other, "net").ret == 1
    assert messages(other)[0].splitlines()[0] == (
        "accuracy drop could not be measured: there is no baseline to compare with. "
        "Name a record with --quba-baseline FILE.json (what-if: --baseline), or a model with --quba-reference"
    )


def test_a_baseline_of_other_images(other: Judge) -> None:
    path = other.pytester.path / "net.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["suite"]["contents"]["clean"] = "0" * 32
    path.write_text(json.dumps(content), encoding="utf-8")
    assert run(other, "net", "--quba-baseline=net.json").ret == 1
    assert messages(other)[0].splitlines()[0] == (
        "accuracy drop could not be measured: net.json cannot be its baseline: it differs in images of "
        "clean. Allowed: a record of the same protocol, images and classes"
    )


def test_a_baseline_that_nothing_is_compared_with(other: Judge) -> None:
    assert other("plain.yaml", "--quba-report=record.json", "--quba-baseline=net.json").ret == 0
    assert other.record()["notes"][:1] == [
        "the baseline net.json decides nothing in this run: no demand has max_drop or max_relative_drop"
    ]
    other.write("drops.yaml", DROPS)
    run(other, "net", "--quba-baseline=net.json")
    assert not any("decides nothing" in note for note in other.record()["notes"])


def test_a_baseline_that_is_no_record(other: Judge) -> None:
    assert usage_error(run(other, "net", "--quba-baseline=nett.json")) == (
        "--quba-baseline: nett.json: there is no such file. Allowed: a file that --quba-report wrote. "
        "Did you mean 'net.json'?"
    )


@pytest.mark.parametrize(
    ("report", "baseline", "replaced", "more"),
    [
        ("./net.json", "link.json", "net.json", ("-n2",)),
        ("r.json", "r-nets-net-standard.json", "r-nets-net-standard.json", ("--model=nets:other",)),
    ],
)
def test_a_baseline_that_is_the_report(
    other: Judge, report: str, baseline: str, replaced: str, more: tuple[str, ...]
) -> None:
    folder = other.pytester.path
    (folder / "link.json").symlink_to("net.json")
    content = other.write("r-nets-net-standard.json", json.dumps(other.record("net.json"))).read_text()
    arguments = ("drops.yaml", f"--quba-report={report}", f"--quba-baseline={baseline}", *more)
    result = other(*arguments)
    assert usage_error(result) == (
        f"--quba-report: {replaced} is the file of --quba-baseline, which the record of this run "
        "would replace. Allowed: another file."
    )
    assert json.loads((folder / baseline).read_text()) == json.loads(content)


@pytest.mark.parametrize(
    ("baseline", "warning"),
    [
        ({"tier": "block", "outcome": "fail"}, "the baseline net.json failed its own demands: accuracy[min]"),
        (
            {"outcome": "skipped"},
            "the baseline net.json was not released: the verdict of its own run is 'not judged'",
        ),
    ],
)
def test_a_baseline_that_was_not_released_is_named_first(
    other: Judge, capsys: pytest.CaptureFixture[str], baseline: dict[str, str], warning: str
) -> None:
    content = other.record("net.json")
    content["verdicts"] = [content["verdicts"][0] | baseline]
    other.write("net.json", json.dumps(content))
    result = run(other, "net", "--quba-baseline=net.json")
    assert result.ret == 0
    header = next(n for n, line in enumerate(result.outlines) if line.startswith("nets:net on tiny"))
    text = " ".join(line.strip() for line in result.outlines[header + 1 : header + 3])
    assert text.startswith(f"warning: {warning}")
    assert other.record()["warnings"][0] == warning
    capsys.readouterr()
    assert main(["verdict", str(other.pytester.path / "record.json")]) == 0
    assert capsys.readouterr().out.splitlines()[2] == f"warning: {warning}"


def test_a_baseline_of_another_precision(other: Judge) -> None:
    other("plain.yaml", "--quba-report=bf16.json", "--quba-precision=bf16", model="nets:other")
    run(other, "net", "--quba-baseline=bf16.json")
    note = "the baseline bf16.json and this run: precision differs: bf16 and fp32"
    assert note in other.record()["notes"]

"""Fleets: several at once, failures of single models, an early end, and what a later fleet does again."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest
from support.fleet_models import content, starts, wait_for_start, write_model

from quba_check.errors import OptionError, UserError
from quba_check.fleet.command import FleetOptions
from quba_check.fleet.judging import Fleet, Running, locked
from quba_check.fleet.model_list import read_models
from quba_check.fleet.report import exit_code
from quba_check.fleet.result import ModelResult

OUT = Path("out")


def fleet(*names: str, at_once: int = 1, **options: object) -> Fleet:
    Path("models.txt").write_text("\n".join(names), encoding="utf-8")
    return Fleet(
        read_models(Path("models.txt")),
        FleetOptions(**options),  # type: ignore[arg-type]
        OUT,
        [{"PLACE": str(number)} for number in range(at_once)],
    )


def judge(*names: str, at_once: int = 1, **options: object) -> dict[str, ModelResult]:
    """The results of a whole fleet by name."""
    judged = fleet(*names, at_once=at_once, **options)
    results = [*judged.known_results(), *judged.run()]
    return {result.name: result for result in results}


def test_each_model_gets_its_verdict(folder: Path) -> None:
    write_model(folder / "good.pt")
    write_model(folder / "bad.pt", "fail")
    write_model(folder / "noisy.pt", "uncertain")
    results = judge("good.pt", "bad.pt", "noisy.pt")
    assert {name: (one.outcome, one.verdict, one.grades, one.failed) for name, one in results.items()} == {
        "good": ("released", "pass", ("B",), ()),
        "bad": ("not released", "fail", ("B",), ("accuracy",)),
        "noisy": ("not released", "uncertain", ("B",), ("accuracy",)),
    }
    assert all(one.problem == "" and one.exit_code is not None for one in results.values())
    assert results["good"].records == [OUT / "good" / "record.json"]


def test_the_words_of_a_process(folder: Path) -> None:
    model = write_model(folder / "a.pt")
    (folder / "t.yaml").write_text("", encoding="utf-8")
    judge(
        "a.pt arch=r50 preprocessing=p.yaml",
        thresholds=("t.yaml", "mobile"),
        data="images",
        store="s3://bucket/store",
        executor="ray",
        html=True,
        markdown=True,
        further=("-n", "2"),
    )
    [(words, environment)] = starts(model)
    assert words == [
        "--quba-report=out/a/record.json",
        "--quba-html=out/a/page.html",
        "--quba-markdown=out/a/summary.md",
        "--quba-store=s3://bucket/store",
        "--quba-executor=ray",
        "--model=a.pt",
        "--quba-thresholds=t.yaml",
        "--quba-thresholds=mobile",
        "--quba-data=images",
        "--quba-arch=r50",
        "--quba-preprocessing=p.yaml",
        "-n",
        "2",
    ]
    assert environment["PLACE"] == "0"


def test_summaries_of_jobs_are_left_to_the_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    model = write_model(folder / "a.pt")
    judge("a.pt")
    assert "GITHUB_STEP_SUMMARY" not in starts(model)[0][1]


def test_a_model_that_cannot_be_judged_stops_no_other(folder: Path) -> None:
    write_model(folder / "refused.pt", None, code=4, log="header\nERROR: refused.pt: not a checkpoint.\n\n")
    write_model(folder / "killed.pt", None, signal=signal.SIGKILL)
    write_model(folder / "crashed.pt", None, signal=signal.SIGTERM)
    write_model(folder / "silent.pt", None, code=0)
    write_model(folder / "cut.pt", "not run")
    write_model(folder / "skipped.pt", "skipped")
    write_model(folder / "stopped.pt", records=[content("pass", interrupted=True)], code=2)
    write_model(folder / "good.pt")
    results = judge(
        *("absent.onnx", "refused.pt", "killed.pt", "crashed.pt", "silent.pt", "cut.pt", "skipped.pt"),
        *("stopped.pt", "good.pt"),
    )
    assert {name: (one.verdict, one.problem) for name, one in results.items()} == {
        "absent": ("not judged", f"absent.onnx: no such file in {folder}."),
        "refused": ("not judged", "refused.pt: not a checkpoint."),
        "killed": (
            "not judged",
            "its process was ended by signal SIGKILL; the system does so if memory runs out",
        ),
        "crashed": ("not judged", "its process was ended by signal SIGTERM"),
        "silent": ("not judged", "pytest ended with exit code 0 and wrote no record"),
        "cut": ("incomplete", "the run is incomplete"),
        "skipped": ("not judged", "no demand was judged"),
        "stopped": ("interrupted", "the run is interrupted"),
        "good": ("pass", ""),
    }
    assert {one.outcome for name, one in results.items() if name != "good"} == {"not judged"}
    assert results["absent"].exit_code is None


def test_a_process_that_cannot_be_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(folder / "a.pt")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    [result] = judge("a.pt").values()
    assert (result.outcome, result.exit_code) == ("not judged", None)
    assert result.problem == "its process cannot be started (No such file or directory)"


def test_a_run_that_fails_with_all_demands_met(folder: Path) -> None:
    write_model(folder / "a.pt", code=1)
    write_model(folder / "b.pt", code=1, log="ERROR: page.html: cannot be written (No space left on device).")
    results = judge("a.pt", "b.pt")
    assert [(one.outcome, one.verdict) for one in results.values()] == [("not released", "fail")] * 2
    assert results["a"].problem == "its demands are met, but pytest ended with exit code 1"
    assert results["b"].problem == "page.html: cannot be written (No space left on device)."


def test_a_run_that_fails_with_an_uncertain_demand(folder: Path) -> None:
    write_model(folder / "a.pt", "uncertain", code=1)
    result = judge("a.pt")["a"]
    assert (result.outcome, result.verdict) == ("not released", "uncertain")
    assert result.problem == "pytest ended with exit code 1"
    assert exit_code([result]) == 1


def test_a_selection_of_demands_releases_nothing(folder: Path) -> None:
    write_model(folder / "a.pt", records=[content("pass", unselected=2)], code=0)
    [result] = judge("a.pt").values()
    assert (result.outcome, result.verdict) == ("not released", "partial")


def test_several_protocols(folder: Path) -> None:
    write_model(folder / "a.pt", records=[content("pass", "A"), content("fail", "C")], code=1)
    [result] = judge("a.pt").values()
    assert (result.verdict, result.grades, len(result.records)) == ("fail", ("A", "C"), 2)


def test_a_damaged_record(folder: Path) -> None:
    write_model(folder / "a.pt", records=[content("pass") | {"schema": 7}], code=0)
    [result] = judge("a.pt").values()
    assert result.outcome == "not judged"
    assert result.problem.startswith("out/a/record.json: schema 7 is newer than this version reads.")


def test_several_at_once(folder: Path) -> None:
    """Each model waits for the other, so both must run."""
    first = write_model(folder / "first.pt", waits_for=folder / "second.pt.starts")
    second = write_model(folder / "second.pt", waits_for=folder / "first.pt.starts")
    results = judge("first.pt", "second.pt", at_once=2)
    assert {one.outcome for one in results.values()} == {"released"}
    assert [starts(model)[0][1]["PLACE"] for model in (first, second)] == ["0", "1"]


def test_a_place_is_used_again(folder: Path) -> None:
    last = write_model(folder / "last.pt")
    write_model(folder / "long.pt", waits_for=folder / "last.pt.starts")
    write_model(folder / "short.pt")
    judge("long.pt", "short.pt", "last.pt", at_once=2)
    assert starts(last)[0][1]["PLACE"] == "1"


@pytest.fixture
def stopped(folder: Path) -> tuple[Fleet, list[ModelResult]]:
    """A fleet that was stopped while the second of three models was being judged."""
    for name in ("a.pt", "c.pt"):
        write_model(folder / name)
    write_model(folder / "b.pt", waits_for=folder / "never")
    judged = fleet("a.pt", "b.pt", "c.pt")
    assert list(judged.known_results()) == []
    results: list[ModelResult] = []

    def stop_second(one: Running) -> None:
        if one.model.name == "b":
            wait_for_start(folder / "b.pt")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), closing(judged.run(stop_second)) as ended:
        results.extend(ended)
    return judged, results


def test_a_stopped_fleet_ends_its_processes(stopped: tuple[Fleet, list[ModelResult]]) -> None:
    judged, results = stopped
    assert [result.name for result in results] == ["a"]
    [running] = judged.running.values()
    assert running.process.exit_code == -signal.SIGINT
    assert [model.name for model in judged.waiting] == ["c"]


def test_a_later_fleet_continues(stopped: tuple[Fleet, list[ModelResult]], folder: Path) -> None:
    (folder / "never").touch()
    results = judge("a.pt", "b.pt", "c.pt")
    assert {name: one.is_reused for name, one in results.items()} == {"a": True, "b": False, "c": False}
    assert [len(starts(folder / f"{name}.pt")) for name in "abc"] == [1, 2, 1]
    again = judge("a.pt", "b.pt", "c.pt")
    assert all(one.is_reused for one in again.values())
    assert again["b"].seconds == pytest.approx(results["b"].seconds, abs=0.01)


def test_a_process_that_ignores_the_interrupt_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quba_check.fleet.judging.GRACE_SECONDS", 0.0)
    write_model(folder / "a.pt", waits_for=folder / "never")
    judged = fleet("a.pt")
    assert list(judged.known_results()) == []
    monkeypatch.setattr("quba_check.fleet.process.ModelProcess.interrupt", lambda _: None)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), closing(judged.run(stop)) as ended:
        next(ended)
    [running] = judged.running.values()
    assert running.process.exit_code == -signal.SIGKILL


def test_what_could_not_be_judged_is_judged_again(folder: Path) -> None:
    model = write_model(folder / "a.pt", None, signal=signal.SIGKILL)
    assert judge("a.pt")["a"].outcome == "not judged"
    assert judge("a.pt")["a"].outcome == "not judged"
    assert len(starts(model)) == 2
    write_model(model)
    assert judge("a.pt")["a"].outcome == "released"


def test_records_of_an_earlier_fleet_do_not_count(folder: Path) -> None:
    write_model(folder / "a.pt", records=[content("pass"), content("fail")], code=1)
    assert judge("a.pt", html=True, markdown=True)["a"].verdict == "fail"
    (OUT / "a" / "record-1.npz").touch()
    (OUT / "a" / "notes.txt").touch()
    write_model(folder / "a.pt")
    result = judge("a.pt")["a"]
    assert (result.outcome, result.verdict) == ("released", "pass")
    names = {file.name for file in (OUT / "a").iterdir()}
    assert names == {"record.json", "log.txt", "result.json", "notes.txt"}


def test_a_run_without_a_record_has_none_of_an_earlier_one(folder: Path) -> None:
    write_model(folder / "a.pt")
    assert judge("a.pt")["a"].verdict == "pass"
    write_model(folder / "a.pt", None, code=4)
    result = judge("a.pt")["a"]
    assert (result.outcome, result.verdict, result.grades, result.records) == ("not judged",) * 2 + ((), [])


def test_a_model_that_is_missing_has_no_records(folder: Path) -> None:
    write_model(folder / "a.pt")
    judge("a.pt")
    (folder / "a.pt").rename(folder / "b.pt")
    assert judge("a.pt")["a"].records == []
    (folder / "b.pt").rename(folder / "a.pt")
    assert judge("a.pt")["a"].is_reused


def test_a_record_that_cannot_be_removed(folder: Path) -> None:
    write_model(folder / "a.pt")
    (OUT / "a" / "record.json").mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        judge("a.pt")
    assert str(caught.value) == (
        "out/a/record.json: belongs to an earlier run and cannot be removed (Is a directory). "
        "Allowed: a folder that you may write to. Name another --out."
    )


def test_only_one_fleet_in_a_folder(folder: Path) -> None:
    with locked(OUT), pytest.raises(OptionError) as caught, locked(OUT):
        pass
    assert str(caught.value) == (
        "quba-check fleet: --out: 'out' is in use by another fleet. "
        "Allowed: the folder of a fleet that ended, or another one."
    )
    with locked(OUT):
        pass


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(OptionError) as caught, locked(folder / "file" / "out"):
        pass
    assert str(caught.value) == (
        f"quba-check fleet: --out: '{folder}/file/out' cannot be written (Not a directory). "
        "Allowed: a folder that you may write to."
    )

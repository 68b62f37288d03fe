"""`quba-check fleet`: its output, exit codes and messages, with a stand-in for pytest."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fleet_models import CHILD, starts, wait_for_start, write_model

from quba_check.cli import fleet as fleet_command
from quba_check.cli.main import main
from quba_check.fleet import process
from quba_check.fleet.judging import Running

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder with models that need no time."""
    child = tmp_path / "stand_in.py"
    child.write_text(CHILD, encoding="utf-8")
    monkeypatch.setattr(process, "CHILD", child)
    monkeypatch.setattr(process.ModelProcess, "seconds", property(lambda _: 100.0))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("COLUMNS", "80")
    write_model(Path("good.pt"))
    write_model(Path("bad.pt"), "fail")
    write_model(Path("killed.pt"), None, signal=signal.SIGKILL)
    Path("models.txt").write_text("good.pt\nbad.pt  # known to fail\n", encoding="utf-8")
    Path("t.yaml").write_text("schema: 1\n", encoding="utf-8")

    def command(*words: str) -> tuple[int, str, str]:
        code = main(["fleet", *words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return command


def test_a_fleet(run: Run) -> None:
    code, out, err = run("models.txt")
    assert code == 1
    assert out == (
        "model  verdict  grade  failed     time\n"
        "good   pass     B                2 min\n"
        "bad    fail     B      accuracy  2 min\n"
        "\n"
        "2 models: 1 released, 1 not released\n"
    )
    assert err == (
        "good: started\n"
        "[1/2] good: released, grade B, 2 min\n"
        "bad: started\n"
        "[2/2] bad: not released, grade B, 2 min: accuracy\n"
    )
    code, again, err = run("models.txt")
    assert (code, again) == (1, out)
    assert err == (
        "[1/2] good: released, grade B, judged before\n"
        "[2/2] bad: not released, grade B, judged before: accuracy\n"
    )


def test_all_released(run: Run) -> None:
    Path("models.txt").write_text("good.pt\n", encoding="utf-8")
    assert run("models.txt")[0] == 0


def test_a_model_that_was_killed(run: Run) -> None:
    Path("models.txt").write_text("killed.pt\ngood.pt\nbad.pt\n", encoding="utf-8")
    code, out, _ = run("models.txt")
    assert code == 5
    assert out.endswith(
        "\n\nkilled: its process was ended by signal SIGKILL; the system does so if memory\n"
        "  runs out (log: fleet/killed/log.txt)\n"
        "3 models: 1 released, 1 not released, 1 not judged\n"
    )


def test_json(run: Run) -> None:
    code, out, err = run("models.txt", "--json", "--out", "here")
    content = json.loads(out)
    assert (code, content["exit_code"]) == (1, 1)
    assert [row["records"] for row in content["models"]] == [
        ["here/good/record.json"],
        ["here/bad/record.json"],
    ]
    assert "released" in err


def test_options_reach_the_models(run: Run) -> None:
    Path("images").mkdir()
    words = [
        "--thresholds",
        "t.yaml",
        "--thresholds",
        "mobile",
        "--data",
        "images",
        "--store",
        "s3://b/store",
    ]
    run("models.txt", *words, "--html", "--markdown", "--executor", "ray:local", "--", "--quba-limit=9", "-q")
    [(given, environment)] = starts(Path("good.pt"))
    assert given == [
        "--quba-report=fleet/good/record.json",
        "--quba-html=fleet/good/page.html",
        "--quba-markdown=fleet/good/summary.md",
        "--quba-store=s3://b/store",
        "--quba-executor=ray:local",
        "--model=good.pt",
        "--quba-thresholds=t.yaml",
        "--quba-thresholds=mobile",
        "--quba-data=images",
        "--quba-limit=9",
        "-q",
    ]
    assert environment["CUDA_VISIBLE_DEVICES"] == ""


def test_data_at_an_address_is_not_looked_up(run: Run) -> None:
    assert run("models.txt", "--data", "s3://bucket/data")[0] == 1


def environments(run: Run, *words: str) -> set[tuple[str | None, str | None]]:
    """GPUs and threads of the processes of a fleet."""
    run("models.txt", *words)
    all_starts = [starts(Path(name))[0][1] for name in ("good.pt", "bad.pt")]
    return {(each.get("CUDA_VISIBLE_DEVICES"), each.get("OMP_NUM_THREADS")) for each in all_starts}


@pytest.mark.parametrize(
    ("words", "shares"),
    [
        ((), {("4", "2"), ("5", "2")}),
        (("--at-once", "1"), {("4,5", None)}),
        (("--", "--quba-device=cuda:1"), {("4,5", None)}),
        (("--executor", "ray"), {("4,5", None)}),
        (("--executor", "ray", "--at-once", "2", "--", "--quba-executor-workers", "2"), {("4,5", None)}),
        (("--executor", "ray", "--at-once", "2", "--", "--quba-executor-workers=2"), {("4,5", None)}),
        (("--executor", "inline", "--at-once", "2"), {("4", "2"), ("5", "2")}),
    ],
    ids=[
        "one for each GPU",
        "one at once",
        "a device",
        "an executor",
        "two with an executor",
        "two with an executor, written with =",
        "inline",
    ],
)
def test_shares_of_the_machine(
    run: Run, words: tuple[str, ...], shares: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    write_model(
        Path("good.pt"), waits_for=Path("bad.pt.starts") if shares == {("4", "2"), ("5", "2")} else None
    )
    assert environments(run, *words) == shares


def test_an_executor_of_an_ini_file_is_for_a_single_model(run: Run) -> None:
    run("models.txt", "--at-once", "1")
    run("models.txt", "--at-once", "2", "--", "-q")
    words = [[word for word in given if "executor" in word] for given, _ in starts(Path("good.pt"))]
    assert words == [[], ["--quba-executor=inline"]]


@pytest.fixture
def _interrupts() -> Iterator[None]:
    """Take SIGINT, which a shell ignores for tests in its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_fleet_that_is_stopped(run: Run, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(Path("bad.pt"), waits_for=Path("never"))
    print_start = fleet_command._print_start

    def stop_second(one: Running) -> None:
        print_start(one)
        if one.model.name == "bad":
            wait_for_start(Path("bad.pt"))
            os.kill(os.getpid(), number)

    monkeypatch.setattr(fleet_command, "_print_start", stop_second)
    before = signal.getsignal(signal.SIGTERM)
    code, out, err = run("models.txt")
    assert signal.getsignal(signal.SIGTERM) is before
    assert code == 2
    assert out.endswith("\n\n1 model: 1 released\n")
    assert err.endswith("bad: started\ninterrupted: 1 of 2 models are done. The same command continues.\n")


def test_a_fleet_that_is_stopped_at_its_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: Running) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fleet_command, "_print_start", stop)
    code, out, err = run("models.txt")
    assert (code, out) == (2, "")
    assert err == "interrupted: 0 of 2 models are done. The same command continues.\n"


WHERE = "ERROR: quba-check fleet: "
AFTER = " Options of pytest stand after --: quba-check fleet MODELS.txt -- --quba-limit=500."


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["modles.txt"],
            f"{WHERE}MODELS.txt: modles.txt: there is no such file. "
            "Allowed: a text file with a model spec in each line.",
        ),
        (["models.txt", "--quba-limit", "5"], f"{WHERE}unknown option, got '--quba-limit'.{AFTER}"),
        (
            ["models.txt", "--treshold", "x"],
            f"{WHERE}unknown option, got '--treshold'. Did you mean '--thresholds'?{AFTER}",
        ),
        (
            ["models.txt", "--thresholds", "moble"],
            "ERROR: moble: there is no such threshold file, and no shipped profile of that "
            "name. Did you mean 'mobile'? Shipped: default, mobile, own-data, safety-critical, server.",
        ),
        (
            ["models.txt", "--data", "/nowhere"],
            "ERROR: /nowhere: there is no such data folder. Allowed: an existing folder.",
        ),
        (
            ["models.txt", "--executor", "rya"],
            "ERROR: --quba-executor: got 'rya'. Allowed: inline, ray, ray:ADDRESS. Did you mean 'ray'?",
        ),
        (
            ["models.txt", "--executor", "ray:auto", "--at-once", "2"],
            f"{WHERE}--at-once: got '2' with --executor ray:auto, but without --quba-executor-workers one "
            "model may take all machines. Allowed: 1. Or add -- --quba-executor-workers=N, so that there is "
            "room for 2 times N workers.",
        ),
        (
            ["models.txt", "--out", "t.yaml"],
            f"{WHERE}--out: 't.yaml' cannot be written (File exists). "
            "Allowed: a folder that you may write to.",
        ),
        (
            ["models.txt", "--", "--model=x"],
            f"{WHERE}got '--model' after --, but the models stand in the list. Leave the option out.",
        ),
        (
            ["models.txt", "--", "--quba-executor=ray"],
            f"{WHERE}got '--quba-executor' after --, but --executor names the executor of all models. "
            "Leave the option out.",
        ),
        (
            ["models.txt", "--", "--quba-plan"],
            f"{WHERE}got '--quba-plan' after --, but a fleet judges; 'pytest --model=SPEC --quba-plan' plans "
            "the run of one model. Leave the option out.",
        ),
    ],
)
def test_a_mistake(run: Run, words: list[str], message: str) -> None:
    assert run(*words) == (4, "", f"{message}\n")
    assert not starts(Path("good.pt"))


def test_the_help(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert out.startswith("Usage: quba-check fleet [OPTIONS] MODELS.txt [-- PYTEST OPTIONS]\n")

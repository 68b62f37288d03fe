"""Jobs of SLURM, with commands in place of a cluster's that note how they are called."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.executors.choice import ExecutorChoice
from quba_check.executors.opening import open_pool
from quba_check.executors.settings import ExecutorSettings, SlurmSettings
from quba_check.executors.slurm import jobs as slurm_jobs
from quba_check.executors.slurm.jobs import SlurmJobs, last_line
from quba_check.executors.slurm.worker import SlurmWorker


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands at the front of PATH, each of which notes its arguments in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, words in {
        "sbatch": "echo Submitted batch job 71",
        "srun": "",
        "scancel": "",
        "squeue": "",
    }.items():
        command(folder, name, words)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def command(folder: Path, name: str, words: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> {folder / "calls"}\n{words}\n')
    path.chmod(0o755)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def worker(job: int) -> SlurmWorker:
    return SlurmWorker(Path("/none"), job, 1, (), "0")


def script(folder: Path) -> str:
    """Return the script of the last call of sbatch."""
    *_, call = (call for call in calls(folder) if call.startswith("sbatch"))
    return Path(call.partition(" ")[2]).read_text()


def test_workers_are_an_array_with_the_settings(commands: Path, tmp_path: Path) -> None:
    settings = SlurmSettings(
        partition="gpu",
        account="vision",
        qos="long",
        constraint="a100",
        minutes=90,
        cpus_per_worker=8,
        gpus_per_worker=1,
        memory_gb=1.5,
        setup=("module load python",),
        sbatch={"exclude": "node[1-2]", "nice": 100},
    )
    jobs = SlurmJobs(settings, tmp_path / "jobs", is_local=False)
    jobs.start([worker(0), worker(1), worker(2)])
    text = script(commands)
    flags = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", text, re.MULTILINE))
    folder = tmp_path / "jobs"
    assert flags == {
        "account": "vision",
        "array": "0-2%3",
        "constraint": "a100",
        "cpus-per-task": "8",
        "error": f"{folder}/%A_%a_0_log.err",
        "exclude": "'node[1-2]'",
        "gpus-per-node": "1",
        "job-name": "quba-check",
        "mem": "1536M",
        "nice": "100",
        "nodes": "1",
        "open-mode": "append",
        "output": f"{folder}/%A_%a_0_log.out",
        "partition": "gpu",
        "qos": "long",
        "requeue": "",
        "signal": "USR2@90",
        "time": "90",
    }
    assert "\nmodule load python\n" in text
    assert f"--cpus-per-task=8 {sys.executable} -u -m submitit.core._submit {folder}\n" in text
    assert len(list(folder.glob("71_*_submitted.pkl"))) == 3


def test_one_job_ends_and_is_replaced(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = SlurmJobs(SlurmSettings(), tmp_path / "jobs", is_local=False)
    jobs.start([worker(0), worker(1)])
    assert jobs.ended() == set()
    assert not any(
        call.startswith("squeue") for call in calls(commands)
    )  # the queue is not asked all the time
    monkeypatch.setattr(slurm_jobs, "QUEUE_SECONDS", -1.0)
    command(commands, "squeue", "echo 71_0; echo 71_1")
    assert jobs.ended() == set()
    assert calls(commands)[-1] == "squeue --noheader --array --format=%i --jobs=71_0,71_1"
    command(commands, "squeue", "echo 71_0")
    assert jobs.ended() == {1}
    assert jobs.last_words(1) == "nothing"
    (tmp_path / "jobs" / "71_1_0_log.err").write_text(
        "Traceback\nModuleNotFoundError: No module named 'quba_check'\nsrun: error: node1: task 0: Exited\n"
    )
    assert jobs.last_words(1) == "'ModuleNotFoundError: No module named 'quba_check''"
    command(commands, "sbatch", "echo Submitted batch job 85")
    jobs.start([worker(1)])
    assert "--array" not in script(commands)
    command(commands, "squeue", "echo 71_0; echo 85")
    assert jobs.ended() == set()
    command(
        commands, "squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
    )
    assert jobs.ended() == set()
    command(commands, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert jobs.ended() == {0, 1}
    jobs.close()
    assert calls(commands)[-1] == "scancel 71 85"


def test_what_sbatch_says_is_shown(commands: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command(
        commands,
        "sbatch",
        "echo 'sbatch: error: invalid partition specified: gpus' >&2; echo 'see --help' >&2; exit 1",
    )
    jobs = SlurmJobs(SlurmSettings(partition="gpus"), tmp_path / "jobs", is_local=False)
    with pytest.raises(OptionError) as error:
        jobs.start([worker(0), worker(1)])
    assert str(error.value) == (
        "--quba-executor: sbatch refused the jobs: sbatch: error: invalid partition specified: gpus. "
        "Change the settings of --quba-executor-settings, section slurm."
    )
    assert capfd.readouterr() == ("", "")
    jobs.close()
    assert not any(call.startswith("scancel") for call in calls(commands))


def test_a_machine_without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OptionError) as error:
        open_pool(ExecutorChoice("slurm"), tmp_path)
    assert str(error.value) == (
        "--quba-executor: got 'slurm', but this machine has no command sbatch. Start the run on a login "
        "node of the cluster, or use slurm:local for workers on this machine."
    )
    assert open_pool(ExecutorChoice("slurm", "local"), tmp_path) is not None


def test_a_store_at_a_url_needs_a_shared_folder(
    tmp_path: Path, commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(OptionError) as error:
        open_pool(ExecutorChoice("slurm"), "s3://bucket/store")
    assert str(error.value) == (
        "--quba-executor: got 'slurm', and the store is a URL. Orders reach the jobs through a folder "
        "that all nodes share. Name one by the key folder in section slurm of --quba-executor-settings."
    )
    shared = ExecutorSettings.model_validate({"slurm": {"folder": str(tmp_path)}})
    assert open_pool(ExecutorChoice("slurm"), "s3://bucket/store", shared) is not None
    assert open_pool(ExecutorChoice("slurm", "local"), "s3://bucket/store") is not None


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(OptionError) as error:
        open_pool(ExecutorChoice("slurm", "local"), tmp_path)
    assert str(error.value) == (
        "--quba-executor: slurm needs submitit, which is not installed. Install it: pip install "
        '"quba-check[slurm]".'
    )


def test_a_terminal_interrupts_no_local_worker() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with slurm_jobs._children_ignore_interrupts():
        code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
        assert subprocess.check_output([sys.executable, "-c", code]) == b"True\n"
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize(
    ("visible", "gpus", "number", "shares"),
    [
        ("3", 1, 0, "3"),
        ("3, GPU-89,1", 1, 1, "GPU-89"),
        ("3, GPU-89,1", 1, 3, "3"),
        ("4,5,6,7", 2, 1, "6,7"),
        ("4", 2, 1, "4"),
    ],
)
def test_a_local_worker_has_gpus_of_those_that_are_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, gpus: int, number: int, shares: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    settings = SlurmSettings(gpus_per_worker=gpus, setup=("true",))
    executor = SlurmJobs(settings, tmp_path, is_local=True)._local_executor(number)
    lines = [f"export CUDA_VISIBLE_DEVICES={shares}", "true", "trap : EXIT"]
    assert executor.parameters["setup"] == lines


def test_the_shell_of_a_local_worker_stays_its_parent(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    jobs = SlurmJobs(SlurmSettings(setup=("true",)), tmp_path, is_local=True)
    lines = [
        *jobs._local_executor(0).parameters["setup"],
        f"{sys.executable} -c 'import os; print(os.getppid())'",
    ]
    with subprocess.Popen([bash, "-c", " && ".join(lines)], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.communicate()[0] == f"{shell.pid}\n"


def test_the_process_of_a_local_worker_has_its_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-89")
    for gpus, shares in ((1, "GPU-89"), (0, "")):
        jobs = SlurmJobs(SlurmSettings(gpus_per_worker=gpus), tmp_path, is_local=True)
        job = jobs._local_executor(1).submit(os.getenv, "CUDA_VISIBLE_DEVICES")
        assert job.result() == shares
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = SlurmSettings(gpus_per_worker=1)
    assert SlurmJobs(settings, tmp_path, is_local=True)._local_executor(0).parameters["setup"] == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        (
            "srun: error: node1: task 0: Exited with exit code 1\n",
            "srun: error: node1: task 0: Exited with exit code 1",
        ),
        (
            "slurmstepd: error: Detected 1 oom_kill event\nsrun: error: node1: task 0: Out Of Memory\n\n",
            "slurmstepd: error: Detected 1 oom_kill event",
        ),
    ],
)
def test_the_last_line_of_a_log(text: str, line: str) -> None:
    assert last_line(text) == line

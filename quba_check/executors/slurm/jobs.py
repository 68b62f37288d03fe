"""Jobs of SLURM, or processes of this machine in their place, sent by submitit."""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.errors import OptionError
from quba_check.executors.settings import SlurmSettings
from quba_check.executors.slurm.worker import SlurmWorker
from quba_check.messages import needs
from quba_check.models.visible_gpus import GPUS, visible_gpus

if TYPE_CHECKING:
    from submitit import Executor, Job

SIGNAL_SECONDS = 90
"""Seconds before the end of a job's time at which SLURM sends the signal to be queued again."""
MOST_TIMEOUTS = 1000
"""Times that a job is queued again because its time was over; the driver ends it long before."""
QUEUE_SECONDS = 30.0
"""Seconds between two calls of squeue, for all jobs together."""
CLOSING_SECONDS = 20.0
"""Seconds for local workers to end by themselves."""
_LOCAL_MINUTES = 365 * 24 * 60
_STAY = "trap : EXIT"
"""Keeps bash from replacing itself by its last command; submitit names a job by the process of its shell."""


class SlurmJobs:
    """The jobs of a run.

    Args:
        settings: resources of a job.
        folder: folder of scripts and logs, which the machines share.
        is_local: start processes of this machine, without SLURM.

    Raises:
        OptionError: submitit or SLURM is not there.
    """

    def __init__(self, settings: SlurmSettings, folder: Path, *, is_local: bool) -> None:
        self._settings = settings
        self._folder = folder
        self._is_local = is_local
        self._jobs: dict[int, Job[None]] = {}
        self._replaced: list[Job[None]] = []
        self._running: set[str] = set()
        self._asked = 0.0

    def start(self, workers: Sequence[SlurmWorker]) -> None:
        """Submit jobs, to SLURM as one array; each replaces that of its number.

        Raises:
            OptionError: SLURM refuses them.
        """
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            with contextlib.redirect_stderr(io.StringIO()):  # submitit prints the error of sbatch
                jobs = self._sent(workers)
        except (FailedJobError, FailedSubmissionError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise OptionError(
                f"--quba-executor: sbatch refused the jobs: {reason}. Change the settings of "
                "--quba-executor-settings, section slurm."
            ) from None
        for worker, job in zip(workers, jobs, strict=True):
            if worker.job in self._jobs:
                self._replaced.append(self._jobs[worker.job])
            self._jobs[worker.job] = job
        self._running |= {job.job_id for job in jobs}
        self._asked = time.monotonic()

    def ended(self) -> set[int]:
        """Return the numbers of the jobs that ended, and are not queued again."""
        if self._is_local:
            return {number for number, job in self._jobs.items() if job.done()}
        if time.monotonic() - self._asked > QUEUE_SECONDS:
            self._running = _queued([job.job_id for job in self._jobs.values()], self._running)
            self._asked = time.monotonic()
        return {number for number, job in self._jobs.items() if job.job_id not in self._running}

    def last_words(self, number: int) -> str:
        """Return the last line of a job's log in quotes, or `nothing`."""
        text = ""
        with contextlib.suppress(OSError, UnicodeError):
            text = self._jobs[number].stderr() or ""
        line = last_line(text)
        return f"'{line}'" if line else "nothing"

    def close(self, seconds: float | None = None) -> bool:
        """Cancel all jobs that still run or wait.

        Args:
            seconds: time for processes of this machine to end; by default `CLOSING_SECONDS`.

        Returns:
            False if processes of this machine do not end by themselves.
        """
        if not self._is_local:
            arrays = {job.job_id.partition("_")[0] for job in self._jobs.values()}
            if arrays:
                subprocess.run(["scancel", *sorted(arrays)], check=False, capture_output=True)  # noqa: S603, S607
            return True
        end = time.monotonic() + (CLOSING_SECONDS if seconds is None else seconds)
        jobs = [*self._jobs.values(), *self._replaced]
        while (running := [job for job in jobs if not job.done()]) and time.monotonic() < end:
            time.sleep(0.02)
        return not running

    def _sent(self, workers: Sequence[SlurmWorker]) -> Sequence[Job[None]]:
        if not self._is_local:
            executor = self._executor(len(workers))
            return executor.submit_array(workers)
        with _children_ignore_interrupts():
            return [self._local_executor(worker.job).submit(worker) for worker in workers]

    def _executor(self, parallel: int) -> Executor:
        """Return submitit's executor, which writes the script of the jobs."""
        from submitit import SlurmExecutor

        settings = self._settings
        parameters: dict[str, Any] = {
            "job_name": "quba-check",
            "wckey": None,
            "time": settings.minutes,
            "cpus_per_task": settings.cpus_per_worker,
            "gpus_per_node": settings.gpus_per_worker or None,
            "mem": None if settings.memory_gb is None else f"{round(settings.memory_gb * 1024)}M",
            "partition": settings.partition,
            "account": settings.account,
            "qos": settings.qos,
            "constraint": settings.constraint,
            "setup": list(settings.setup),
            "signal_delay_s": SIGNAL_SECONDS,
            "array_parallelism": parallel,
            "additional_parameters": {"requeue": True, **settings.sbatch},
            # SLURM 22.05 and later do not hand the number of cores from sbatch to srun.
            "srun_args": [f"--cpus-per-task={settings.cpus_per_worker}"],
        }
        executor = SlurmExecutor(self._folder, max_num_timeout=MOST_TIMEOUTS)
        executor.update_parameters(**parameters)
        return executor

    def _local_executor(self, number: int) -> Executor:
        """Return submitit's executor for a process of this machine.

        Args:
            number: number of the worker, which selects its GPUs among those that this process may use.
        """
        from submitit import LocalExecutor

        count = self._settings.gpus_per_worker
        gpus = visible_gpus() if count else []
        own = [gpus[(number * count + place) % len(gpus)] for place in range(min(count, len(gpus)))]
        # submitit hides all GPUs by default, and does not take those named by text.
        exports = [f"export {GPUS}={shlex.quote(','.join(own))}"] if own else []
        setup = [*exports, *self._settings.setup]
        executor = LocalExecutor(self._folder, max_num_timeout=MOST_TIMEOUTS)
        executor.update_parameters(timeout_min=_LOCAL_MINUTES, setup=[*setup, _STAY] if setup else [])
        return executor


def check_installed(*, is_local: bool) -> None:
    """Check that jobs can be sent.

    Raises:
        OptionError: submitit or SLURM's commands are missing.
    """
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise OptionError(f"--quba-executor: slurm {needs('submitit', extra='slurm')}") from None
    if not is_local and shutil.which("sbatch") is None:
        raise OptionError(
            "--quba-executor: got 'slurm', but this machine has no command sbatch. Start the run on a login "
            "node of the cluster, or use slurm:local for workers on this machine."
        )


@contextlib.contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Let processes that are started in the block ignore Ctrl-C.

    A terminal sends it to all processes of a run; the driver then ends the others.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def last_line(text: str) -> str:
    """Return the last line that is not empty.

    Lines of srun, which report the exit code after the reason, are skipped if there are others.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith("srun: ")]
    return (reasons or lines or [""])[-1]


def _queued(jobs: Sequence[str], before: set[str]) -> set[str]:
    """Return the jobs that run or wait in the queue.

    Args:
        jobs: the jobs to ask for.
        before: the result if SLURM does not answer.
    """
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={','.join(jobs)}"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if result.returncode == 0:
        return set(result.stdout.split())
    return set() if "Invalid job id" in result.stderr else before

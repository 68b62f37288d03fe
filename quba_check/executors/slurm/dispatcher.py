"""Tasks given to workers through a folder, and given again if a worker is lost."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from quba_check.errors import OptionError
from quba_check.executors.slurm.heartbeat import Pulse
from quba_check.executors.slurm.queue_folder import Answer, QueueFolder, Task
from quba_check.executors.slurm.slot import Slot

STRIKES = 3
"""Workers that may be lost with a task, or without any, before the run ends."""
SILENCE = 60.0
"""Seconds without a heartbeat after which the tasks of a worker are given to others."""
WATCH_SECONDS = 0.25
NEWS_SECONDS = 300.0
"""Seconds without any worker that are reported."""
RETRY_SECONDS = 30.0
"""Seconds after which a refused job is submitted again."""
SHORTEST_WAIT, LONGEST_WAIT = 0.002, 0.05
"""Seconds between two listings of the answers."""


class Jobs(Protocol):
    """The jobs whose processes are the workers."""

    def ended(self) -> set[int]:
        """Return the numbers of the jobs that ended, and are not queued again."""

    def last_words(self, number: int) -> str:
        """Return the last line of a job's log."""


@dataclass(frozen=True, slots=True)
class Completed:
    """An answered task.

    Attributes:
        number: number of the task.
        worker: name of the worker that answered; the last one that had the task if it was lost.
        answer: its answer.
    """

    number: int
    worker: str
    answer: Answer


@dataclass
class _Sent:
    task: Task
    strikes: int = 0
    worker: str = ""
    is_bound: bool = False


class Dispatcher:
    """Gives tasks to the workers that live.

    A task that was lost with a worker is given again, to a worker that has no other, so that one that kills
    its worker costs nothing else. After the third loss its answer is an error.

    Args:
        folder: the folder of tasks and answers.
        jobs: the jobs of the workers.
        restart: starts a job of this number again.
        announce: called with news of the workers.

    Attributes:
        has_failed: True after an error that refers to the logs of workers.
    """

    def __init__(
        self,
        folder: QueueFolder,
        jobs: Jobs,
        restart: Callable[[int], None],
        announce: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._jobs = jobs
        self._restart = restart
        self._announce = announce
        self._numbers = itertools.count(1)
        self._workers: dict[str, Slot] = {}
        self._sent: dict[int, _Sent] = {}
        self._waiting: deque[int] = deque()
        self._completed: dict[int, Completed] = {}
        self._watched = 0.0
        self._alive = time.monotonic()
        self._idle_losses = 0
        self._refused: dict[int, float] = {}
        self._failure: OptionError | None = None
        self.has_failed = False

    @property
    def live_workers(self) -> Sequence[str]:
        """Names of the workers that take tasks."""
        return [worker.name for worker in self._workers.values() if worker.is_usable]

    def has_room(self) -> bool:
        """Return True if a new task would be given to a worker at once."""
        return not self._waiting and any(worker.has_room for worker in self._workers.values())

    def submit(self, task: Task) -> int:
        """Give a task to a worker and return its number.

        It waits if no worker has room.
        """
        return self._add(_Sent(task))

    def submit_to(self, worker: str, task: Task) -> int:
        """Give a task to one worker and return its number.

        If that worker is lost, the value of the answer is None.
        """
        number = self._add(_Sent(task, worker=worker, is_bound=True))
        self._waiting.remove(number)
        self._give(number, self._workers[worker])
        return number

    def drop(self, numbers: Collection[int]) -> None:
        """Forget tasks; those that a worker has begun are predicted in vain."""
        for number in list(numbers):
            if number in self._sent:
                self._settle(number, Completed(number, "", Answer()))
            self._completed.pop(number, None)

    def wait(self, numbers: Collection[int], *, for_room: bool) -> Completed | None:
        """Wait until one of these tasks is answered; return its answer.

        Args:
            numbers: the tasks.
            for_room: return None as soon as a new task would be given to a worker at once.

        Raises:
            OptionError: no worker can be started.
        """
        seconds = SHORTEST_WAIT
        while True:
            self._poll()
            answered = next((number for number in numbers if number in self._completed), None)
            if answered is not None:
                return self._completed.pop(answered)
            if for_room and self.has_room():
                return None
            time.sleep(seconds)
            seconds = min(2 * seconds, LONGEST_WAIT)

    def answer(self, number: int) -> Completed:
        """Wait for the answer to a task.

        Raises:
            OptionError: no worker can be started.
        """
        return cast("Completed", self.wait([number], for_room=False))

    def _add(self, sent: _Sent) -> int:
        number = next(self._numbers)
        self._sent[number] = sent
        self._waiting.append(number)
        if not sent.is_bound:
            self._give_waiting()
        return number

    def _poll(self) -> None:
        """Take answers, watch the workers, and give tasks that wait."""
        for number, worker, answer in self._folder.answers():
            self._idle_losses = 0
            if number in self._sent:  # else it was dropped, or another worker was faster
                self._settle(number, Completed(number, worker, answer))
            sender = self._workers[worker]
            sender.has_answered = True
            sender.dropped.discard(number)
            self._release(sender, number)
        if (now := time.monotonic()) - self._watched > WATCH_SECONDS:
            self._watch()
            self._watched = now
        self._give_waiting()
        if self._failure is not None:
            raise self._failure

    def _settle(self, number: int, completed: Completed) -> None:
        """Note the answer to a task that waits or that a worker has."""
        worker = self._workers.get(self._sent.pop(number).worker)
        self._completed[number] = completed
        if number in self._waiting:
            self._waiting.remove(number)
        elif worker is not None:
            if not self._folder.withdraw(worker.name, number):
                worker.dropped.add(number)
            self._release(worker, number)

    def _give_waiting(self) -> None:
        """Give the tasks that wait, in their order, to workers with room."""
        for number in list(self._waiting):
            is_struck = self._sent[number].strikes > 0
            fitting = [
                worker
                for worker in self._workers.values()
                if worker.has_room and not (is_struck and worker.tasks)
            ]
            if not fitting:
                continue
            worker = min(fitting, key=lambda worker: len(worker.tasks))
            self._waiting.remove(number)
            worker.is_alone = is_struck
            self._give(number, worker)

    def _give(self, number: int, worker: Slot) -> None:
        self._sent[number].worker = worker.name
        worker.tasks.add(number)
        self._folder.send(worker.name, number, self._sent[number].task)

    def _release(self, worker: Slot, number: int) -> None:
        worker.tasks.discard(number)
        worker.is_alone = worker.is_alone and bool(worker.tasks)

    def _watch(self) -> None:
        """Note workers that started, left, fell silent or ended."""
        for name in self._folder.worker_names():
            if name not in self._workers:
                about = self._folder.about(name)
                job, host = int(about["job"]), str(about["host"])
                for earlier in self._workers.values():  # the job was queued again
                    if earlier.job == job and not earlier.is_gone:
                        self._lose(earlier)
                self._workers[name] = Slot(name, job, host, Pulse(self._folder.heartbeat(name)))
        for worker in self._workers.values():
            if not worker.is_gone:
                self._check(worker)
        for job in self._jobs.ended():
            self._replace(job)
        now = time.monotonic()
        if self.live_workers:
            self._alive = now
        elif now - self._alive > NEWS_SECONDS:
            self._alive = now
            self._announce(f"slurm: no worker for {NEWS_SECONDS / 60:.0f} minutes; the jobs wait")

    def _check(self, worker: Slot) -> None:
        """Take back the tasks of a worker that left or is silent."""
        has_left = self._folder.has_left(worker.name)
        was_usable, worker.is_usable = worker.is_usable, not has_left and worker.pulse.silence < SILENCE
        if was_usable and not worker.is_usable:
            news = "has to leave" if has_left else "is silent"
            self._announce(f"slurm: the worker on {worker.host} {news}")
            self._take_back(worker, strikes=0 if has_left else 1)

    def _replace(self, job: int) -> None:
        """Start a job that ended again; one that is refused is tried later.

        Raises:
            OptionError: it is refused, and no worker lives.
        """
        refused_at = self._refused.get(job)
        if refused_at is None:
            self._note_end(job)
        elif self.live_workers and time.monotonic() - refused_at < RETRY_SECONDS:
            return
        if self._failure is not None:
            return
        try:
            self._restart(job)
        except OptionError as error:
            self._refused[job] = time.monotonic()
            if not self.live_workers:
                raise
            if refused_at is None:
                again = f"the next try is in {RETRY_SECONDS:.0f} seconds"
                self._announce(f"slurm: a job that ended is not submitted again yet; {again}. {error}")
        else:
            self._refused.pop(job, None)

    def _note_end(self, job: int) -> None:
        """Take back the tasks of an ended job; count it if it predicted nothing."""
        words = self._jobs.last_words(job)
        lost = [worker for worker in self._workers.values() if worker.job == job and not worker.is_gone]
        if not any(worker.tasks or worker.has_answered for worker in lost):
            self._idle_losses += 1
        for worker in lost:
            self._lose(worker, words)
        if self._idle_losses >= STRIKES:
            self._failure = self._error(
                f"{STRIKES} workers ended one after another before they predicted anything",
                words,
                "Check that the nodes see this folder; the key folder in --quba-executor-settings names "
                "another.",
            )

    def _lose(self, worker: Slot, words: str = "nothing") -> None:
        """Take back the tasks of a worker that ended."""
        if worker.is_usable:
            self._announce(f"slurm: the worker on {worker.host} ended")
        worker.is_gone, worker.is_usable = True, False
        has_left = self._folder.has_left(worker.name)
        self._take_back(worker, strikes=0 if has_left else 1, words=words)

    def _take_back(self, worker: Slot, strikes: int, words: str = "nothing") -> None:
        """Let the tasks of a worker wait for others."""
        for number in sorted(worker.tasks, reverse=True):
            sent = self._sent[number]
            sent.strikes += strikes
            if sent.is_bound:
                self._settle(number, Completed(number, worker.name, Answer()))
            elif sent.strikes >= STRIKES:
                error = self._error(
                    f"{STRIKES} workers ended while they worked on {sent.task}",
                    words,
                    "If memory ran out, set memory_gb in --quba-executor-settings.",
                )
                self._settle(number, Completed(number, worker.name, Answer(error=error)))
            else:
                self._folder.withdraw(worker.name, number)
                self._release(worker, number)
                self._waiting.appendleft(number)

    def _error(self, problem: str, words: str, hint: str) -> OptionError:
        self.has_failed = True
        return OptionError(
            f"--quba-executor: {problem}. The last one wrote: {words}. Its log is in {self._folder.jobs}. "
            f"{hint}"
        )

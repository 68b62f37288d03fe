"""Tasks given to workers that start, leave, fall silent or die; the tests play the workers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.executors.slurm import dispatcher as module
from quba_check.executors.slurm.dispatcher import Dispatcher
from quba_check.executors.slurm.queue_folder import Answer, CheckModel, QueueFolder

HOST = socket.gethostname()
TASKS = [CheckModel(str(number)) for number in range(8)]


class Stage:
    """A dispatcher, its folder, and jobs that end when a test says so."""

    def __init__(self, folder: QueueFolder) -> None:
        self.folder = folder
        self.dead: set[int] = set()
        self.restarted: list[int] = []
        self.refusal: OptionError | None = None
        self.refused: list[int] = []
        self.news: list[str] = []
        self.dispatcher = Dispatcher(folder, self, self.restart, self.news.append)

    def ended(self) -> set[int]:
        return set(self.dead)

    def last_words(self, number: int) -> str:
        return f"'killed {number}'"

    def restart(self, job: int) -> None:
        if self.refusal is not None:
            self.refused.append(job)
            raise self.refusal
        self.restarted.append(job)
        self.dead.discard(job)

    def start(self, *jobs: int) -> list[str]:
        """Start workers of these jobs."""
        names = [self.folder.add_worker(job) for job in jobs]
        self.dispatcher._poll()
        return names

    def die(self, job: int) -> None:
        self.dead.add(job)
        self.dispatcher._poll()

    def read(self, worker: str) -> list[int]:
        """Return the tasks that a worker receives now."""
        return list(self.folder.receive(worker))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(module, "WATCH_SECONDS", -1.0)
    return Stage(QueueFolder.create(tmp_path))


def test_each_worker_gets_two_tasks_one_after_another(stage: Stage) -> None:
    dispatcher = stage.dispatcher
    assert not dispatcher.has_room()
    one, other = stage.start(0, 1)
    given = []
    for task in TASKS:
        if not dispatcher.has_room():
            break
        given.append(dispatcher.submit(task))
    assert given == [1, 2, 3, 4]
    assert (stage.read(one), stage.read(other)) == ([1, 3], [2, 4])
    stage.folder.answer(other, 4, Answer("four"))
    completed = dispatcher.wait(given, for_room=False)
    assert completed is not None
    assert (completed.number, completed.worker, completed.answer) == (4, other, Answer("four"))
    assert dispatcher.has_room()
    assert dispatcher.wait([1, 2, 3], for_room=True) is None
    dispatcher.submit(TASKS[4])
    assert stage.read(other) == [5]


def test_a_task_waits_for_the_first_worker(stage: Stage) -> None:
    number = stage.dispatcher.submit(TASKS[0])
    (worker,) = stage.start(0)
    assert stage.read(worker) == [number]
    stage.folder.answer(worker, number, Answer(7))
    assert stage.dispatcher.answer(number).answer == Answer(7)


def test_the_tasks_of_a_dead_worker_are_given_again_one_at_a_time(stage: Stage) -> None:
    dispatcher = stage.dispatcher
    one, other = stage.start(0, 1)
    lost = [dispatcher.submit(task) for task in TASKS[:4]][::2]
    assert stage.read(one) == lost == [1, 3]
    assert stage.read(other) == [2, 4]
    stage.die(0)
    assert stage.restarted == [0]
    assert stage.news == [f"slurm: the worker on {HOST} ended"]
    assert not dispatcher.has_room()
    (again,) = stage.start(0)
    assert stage.read(again) == [1]
    assert not dispatcher.has_room()
    stage.folder.answer(other, 2, Answer())
    dispatcher._poll()
    assert stage.read(other) == []  # it still has another task
    stage.folder.answer(other, 4, Answer())
    dispatcher._poll()
    assert stage.read(other) == [3]


def test_a_task_that_ends_three_workers_is_an_error(stage: Stage) -> None:
    stage.start(0)
    number = stage.dispatcher.submit(TASKS[0])
    for _ in range(3):
        stage.die(0)
        stage.start(0)
    error = stage.dispatcher.answer(number).answer.error
    assert isinstance(error, OptionError)
    assert str(error) == (
        "--quba-executor: 3 workers ended while they worked on the check of the model's parameters. "
        f"The last one wrote: 'killed 0'. Its log is in {stage.folder.jobs}. If memory ran out, set "
        "memory_gb in --quba-executor-settings."
    )
    assert stage.dispatcher.has_failed
    assert stage.dispatcher.has_room()  # others can go on


def test_three_workers_that_end_without_a_task_are_an_error(stage: Stage) -> None:
    stage.dispatcher.submit(TASKS[0])
    stage.die(0)
    stage.die(1)
    with pytest.raises(OptionError) as error:
        stage.die(0)
    assert str(error.value) == (
        "--quba-executor: 3 workers ended one after another before they predicted anything. The last one "
        f"wrote: 'killed 0'. Its log is in {stage.folder.jobs}. Check that the nodes see this folder; the "
        "key folder in --quba-executor-settings names another."
    )
    assert stage.restarted == [0, 1]
    with pytest.raises(OptionError, match="before they predicted anything"):
        stage.dispatcher.answer(1)


def test_an_answer_forgives_workers_that_ended(stage: Stage) -> None:
    (worker,) = stage.start(0)
    for number in (1, 2, 3):
        stage.die(1)
        stage.die(1)
        stage.dispatcher.submit(TASKS[number])
        stage.folder.answer(worker, number, Answer())
    assert stage.restarted == [1] * 6


def test_jobs_that_end_together_after_an_answer_are_submitted_again(stage: Stage) -> None:
    dispatcher = stage.dispatcher
    workers = stage.start(0, 1, 2, 3, 4)
    numbers = [dispatcher.submit(task) for task in TASKS[:6]]
    for number, worker in zip(numbers, workers, strict=False):
        stage.folder.answer(worker, number, Answer())
    dispatcher._poll()
    stage.folder.leave(workers[1])  # preempted, as the next one; the fourth and the fifth are idle
    stage.folder.leave(workers[2])
    dispatcher._poll()
    stage.dead = {1, 2, 3, 4}
    dispatcher._poll()
    assert sorted(stage.restarted) == [1, 2, 3, 4]
    assert stage.read(workers[0]) == [numbers[5]]
    stage.folder.answer(workers[0], numbers[5], Answer("last"))
    assert dispatcher.answer(numbers[5]).answer == Answer("last")


def test_a_refused_job_is_tried_again_while_others_work(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.start(0, 1)
    stage.refusal = OptionError("sbatch refused the jobs: timed out.")
    stage.die(0)
    stage.dispatcher._poll()
    assert stage.refused == [0]
    with monkeypatch.context() as later:
        later.setattr(module, "RETRY_SECONDS", 0.0)
        for _ in range(3):
            stage.dispatcher._poll()
        assert stage.refused == [0] * 4
        stage.refusal = None
        stage.dispatcher._poll()
    assert stage.restarted == [0]
    assert stage.news == [
        f"slurm: the worker on {HOST} ended",
        "slurm: a job that ended is not submitted again yet; the next try is in 30 seconds. "
        "sbatch refused the jobs: timed out.",
    ]


def test_a_refused_job_is_an_error_without_any_worker(stage: Stage) -> None:
    stage.start(0)
    stage.refusal = OptionError("sbatch refused the jobs: timed out.")
    stage.dead = {0}
    for _ in range(4):
        with pytest.raises(OptionError, match=r"^sbatch refused the jobs: timed out\.$"):
            stage.dispatcher._poll()
    assert stage.refused == [0] * 4
    stage.refusal = None
    stage.dispatcher._poll()
    assert stage.restarted == [0]


def test_a_worker_that_leaves_costs_no_strike(stage: Stage) -> None:
    dispatcher = stage.dispatcher
    number = dispatcher.submit(TASKS[0])
    for _ in range(5):
        (worker,) = stage.start(0)
        assert stage.read(worker) == [number]
        stage.folder.leave(worker)
        dispatcher._poll()
        assert not dispatcher.live_workers
    assert stage.news == [f"slurm: the worker on {HOST} has to leave"] * 5
    assert stage.restarted == []
    (worker,) = stage.start(0)
    stage.folder.answer(worker, number, Answer(1))
    assert dispatcher.answer(number).answer == Answer(1)


def test_a_job_that_was_queued_again_loses_its_first_worker(stage: Stage) -> None:
    stage.start(0)
    first, second = stage.dispatcher.submit(TASKS[0]), stage.dispatcher.submit(TASKS[1])
    (worker,) = stage.start(0)
    assert stage.dispatcher.live_workers == [worker]
    assert stage.read(worker) == [first]
    stage.folder.answer(worker, first, Answer())
    stage.dispatcher._poll()
    assert stage.read(worker) == [second]


def test_a_silent_worker_gets_no_task_until_it_is_heard_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (worker,) = stage.start(0)
    number = stage.dispatcher.submit(TASKS[0])
    assert stage.read(worker) == [number]
    with monkeypatch.context() as silent:
        silent.setattr(module, "SILENCE", -1.0)
        stage.dispatcher._poll()
        assert stage.dispatcher.live_workers == []
        assert stage.news == [f"slurm: the worker on {HOST} is silent"]
    stage.dispatcher._poll()
    assert stage.dispatcher.live_workers == [worker]
    assert stage.read(worker) == [number]


def test_the_first_of_two_answers_counts(stage: Stage) -> None:
    one, other = stage.start(0, 1)
    number = stage.dispatcher.submit(TASKS[0])
    assert stage.read(one) == [number]
    stage.folder.leave(one)
    stage.dispatcher._poll()
    stage.folder.answer(one, number, Answer("first"))
    completed = stage.dispatcher.answer(number)
    assert (completed.worker, completed.answer) == (one, Answer("first"))
    assert stage.read(other) == []  # withdrawn
    stage.folder.answer(other, number, Answer("second"))
    stage.dispatcher._poll()
    assert stage.dispatcher._completed == {}


def test_dropped_tasks_are_withdrawn(stage: Stage) -> None:
    dispatcher = stage.dispatcher
    (worker,) = stage.start(0)
    begun, unread = dispatcher.submit(TASKS[0]), dispatcher.submit(TASKS[1])
    waiting = dispatcher.submit(TASKS[2])
    answered = dispatcher.submit(TASKS[3])
    dispatcher._settle(answered, module.Completed(answered, worker, Answer()))
    dispatcher.drop([begun, unread, waiting, answered])
    assert stage.read(worker) == []
    assert dispatcher.has_room()
    stage.folder.answer(worker, begun, Answer())
    dispatcher._poll()
    assert dispatcher._completed == {}


def test_a_worker_with_dropped_tasks_in_work_takes_no_other(stage: Stage) -> None:
    dispatcher = stage.dispatcher
    (worker,) = stage.start(0)
    begun = [dispatcher.submit(TASKS[0]), dispatcher.submit(TASKS[1])]
    assert stage.read(worker) == begun
    dispatcher.drop(begun)
    assert not dispatcher.has_room()
    later = dispatcher.submit(TASKS[2])
    stage.folder.answer(worker, begun[0], Answer(error=ValueError("of both")))
    dispatcher._poll()
    assert stage.read(worker) == []
    stage.folder.answer(worker, begun[1], Answer(error=ValueError("of both")))
    dispatcher._poll()
    assert stage.read(worker) == [later]
    stage.folder.answer(worker, later, Answer(3))
    assert dispatcher.answer(later).answer == Answer(3)
    assert dispatcher.has_room()


def test_a_task_for_one_worker_is_void_without_it(stage: Stage) -> None:
    one, other = stage.start(0, 1)
    check = stage.dispatcher.submit_to(other, TASKS[0])
    assert stage.read(other) == [check]
    stage.die(1)
    assert stage.dispatcher.answer(check).answer == Answer(None)
    assert stage.read(one) == []


def test_the_user_is_told_of_a_long_time_without_workers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.dispatcher._poll()
    assert stage.news == []
    monkeypatch.setattr(module, "NEWS_SECONDS", 0.0)
    stage.dispatcher._poll()
    assert stage.news == ["slurm: no worker for 0 minutes; the jobs wait"]

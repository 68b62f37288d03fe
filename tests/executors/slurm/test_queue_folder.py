"""Tasks and answers that travel through a folder."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from quba_check.errors import HeadError
from quba_check.executors.slurm.queue_folder import Answer, CheckModel, QueueFolder


@pytest.fixture
def folder(tmp_path: Path) -> QueueFolder:
    return QueueFolder.create(tmp_path / "slurm")


def test_only_this_user_may_read_it(folder: QueueFolder) -> None:
    assert folder.root.stat().st_mode & 0o777 == 0o700


def test_folders_of_drivers_that_were_killed_are_removed_after_a_week(tmp_path: Path) -> None:
    old, new = QueueFolder.create(tmp_path), QueueFolder.create(tmp_path)
    for folder, days in ((old, 7.1), (new, 6.9)):
        then = time.time() - days * 24 * 3600
        os.utime(folder.driver, (then, then))
    latest = QueueFolder.create(tmp_path)
    assert set(tmp_path.iterdir()) == {new.root, latest.root}


def test_a_folder_in_which_a_worker_wrote_at_the_end_is_removed_after_a_week(
    folder: QueueFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, remove = folder.add_worker(0), shutil.rmtree

    def remove_around_a_worker(path: Path, *, ignore_errors: bool) -> None:
        remove(path, ignore_errors=ignore_errors)
        (folder.workers / worker).mkdir(parents=True)
        folder.leave(worker)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", remove_around_a_worker)
        folder.remove()
    assert folder.has_left(worker)
    then = time.time() - 7.1 * 24 * 3600
    os.utime(folder.driver, (then, then))
    latest = QueueFolder.create(folder.root.parent)
    assert list(folder.root.parent.iterdir()) == [latest.root]
    latest.remove()
    assert list(folder.root.parent.iterdir()) == []


def test_a_worker_receives_its_tasks_once_and_in_order(folder: QueueFolder) -> None:
    one, other = folder.add_worker(0), folder.add_worker(1)
    folder.send(one, 12, CheckModel("b"))
    folder.send(one, 3, CheckModel("a"))
    folder.send(other, 4, CheckModel("c"))
    assert list(folder.receive(one).items()) == [(3, CheckModel("a")), (12, CheckModel("b"))]
    assert folder.receive(one) == {}
    assert folder.receive(other) == {4: CheckModel("c")}


def test_a_task_can_be_withdrawn(folder: QueueFolder) -> None:
    worker = folder.add_worker(0)
    folder.send(worker, 1, CheckModel("a"))
    assert folder.withdraw(worker, 1)
    assert not folder.withdraw(worker, 1)
    assert folder.receive(worker) == {}
    folder.send(worker, 2, CheckModel("b"))
    folder.receive(worker)
    assert not folder.withdraw(worker, 2)


def test_answers_are_taken_once(folder: QueueFolder) -> None:
    worker = folder.add_worker(0)
    folder.answer(worker, 2, Answer(True))
    folder.answer(worker, 1, Answer(error=HeadError("other", theirs=3, classes=4)))
    (first, sender, failed), second = folder.answers()
    assert (first, sender, str(failed.error)) == (1, worker, "other")
    assert isinstance(failed.error, HeadError)
    assert second == (2, worker, Answer(True))
    assert folder.answers() == []


def test_an_error_that_cannot_be_sent_travels_as_text(folder: QueueFolder) -> None:
    error = ValueError("with a lock")
    error.args = (*error.args, threading.Lock())
    folder.answer("0000-a", 1, Answer(error=error))
    ((_, _, answer),) = folder.answers()
    assert isinstance(answer.error, RuntimeError)
    assert str(answer.error).startswith("ValueError: ('with a lock'")


def test_workers_are_listed_in_the_order_of_their_start(folder: QueueFolder) -> None:
    assert folder.worker_names() == []
    names = [folder.add_worker(job) for job in (5, 2, 5)]
    assert folder.worker_names() == names
    assert [folder.about(name)["job"] for name in names] == [5, 2, 5]
    assert folder.processes() == [os.getpid()] * 3
    assert not folder.has_left(names[0])
    folder.leave(names[0])
    assert folder.has_left(names[0])
    assert not folder.has_left(names[1])


def test_the_end(folder: QueueFolder) -> None:
    assert not folder.is_stopped()
    folder.stop()
    assert folder.is_stopped()
    shutil.rmtree(folder.root)
    assert folder.is_stopped()
    folder.stop()
    folder.leave("0000-a")
    folder.answer("0000-a", 1, Answer())

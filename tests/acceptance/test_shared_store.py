"""Runs of several machines on one store at a URL, of which some are killed."""

import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from acceptance.runs import OTHER_IMAGES, Finished, Project, ended, same_findings, wait_for
from support.s3 import S3Server
from support.tiny import write_suite

PER_CLASS = 100
EXAMINED = 512
"""Images that the doctor shows a healthy model, at most."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("shared") / "data", PER_CLASS)


def machine(folder: Path, data: Path, s3: S3Server, url: str) -> Project:
    """A machine with a cache of its own, whose runs use the store at the URL."""
    project = Project.at(folder, data)
    settings = {"QUBA_STORE": url, "XDG_CACHE_HOME": str(folder / "cache"), **s3.settings}
    return replace(project, settings=project.settings | settings)


@pytest.fixture(scope="module")
def url(s3_of_session: S3Server) -> str:
    return f"{s3_of_session.new_bucket()}/store"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, data: Path, s3_of_session: S3Server, url: str) -> Project:
    return machine(tmp_path_factory.mktemp("machines") / "first", data, s3_of_session, url)


@pytest.fixture(scope="module")
def run(first: Project) -> Finished:
    return first.run("--quba-record=record.json")


def objects(s3: S3Server, url: str) -> Counter[str]:
    """The number of objects of each cache entry."""
    return Counter(name.split("/")[0] for name in s3.names(f"{url}/predictions"))


def test_each_view_is_one_object(run: Finished, s3_of_session: S3Server, url: str) -> None:
    assert (run.code, run.err) == (0, "")
    assert set(objects(s3_of_session, url).values()) == {1}
    runs = Counter(Path(name).suffix for name in s3_of_session.names(f"{url}/runs"))
    assert runs.keys() == {".json", ".npz"}  # of this run, and of the tests that ran before
    assert runs[".json"] == runs[".npz"]


def test_a_second_machine_predicts_nothing(
    run: Finished, first: Project, tmp_path: Path, data: Path, s3_of_session: S3Server, url: str
) -> None:
    second = machine(tmp_path / "second", data, s3_of_session, url)
    before = objects(s3_of_session, url)
    earlier = len(s3_of_session.requests)
    finished = second.run("--quba-record=record.json")
    requests = s3_of_session.requests[earlier:]
    assert (finished.code, finished.err) == (0, "")
    assert 0 < second.passes()["forward"] < EXAMINED
    assert second.passes()["backward"] == 0
    assert same_findings(second.record(), first.record())
    assert objects(s3_of_session, url) == before
    methods = Counter(method for method, _ in requests)
    assert methods["LIST"] == len(before)
    assert methods["PUT"] == 2  # the record and its per-image file
    reads = [path for method, path in requests if method == "GET" and "/predictions/" in path]
    assert len(reads) == len(set(reads)) == len(before)
    assert methods.keys() == {"LIST", "PUT", "GET"}


def test_a_driver_that_was_killed_is_continued_by_another(
    run: Finished, first: Project, tmp_path: Path, data: Path, s3_of_session: S3Server
) -> None:
    url = f"{s3_of_session.new_bucket()}/store"
    killed = machine(tmp_path / "killed", data, s3_of_session, url)
    flag = tmp_path / "flag"
    images = first.passes()["forward"] - OTHER_IMAGES + 100  # in the middle of the corruptions
    process = killed.start(NETS_TRAP=f"wait {images} {flag}")
    wait_for(flag, process)
    process.send_signal(signal.SIGKILL)
    assert ended(process).code == -signal.SIGKILL
    second = machine(tmp_path / "second", data, s3_of_session, url)
    finished = second.run("--quba-record=record.json")
    assert (finished.code, finished.err) == (0, "")
    assert same_findings(second.record(), first.record())
    assert second.passes()["forward"] < OTHER_IMAGES + EXAMINED
    assert second.passes()["backward"] == 0
    assert objects(s3_of_session, url) == objects(s3_of_session, f"{first.settings['QUBA_STORE']}")


def test_two_machines_at_once_agree_and_leave_one_copy(
    run: Finished, first: Project, tmp_path: Path, data: Path, s3_of_session: S3Server
) -> None:
    url = f"{s3_of_session.new_bucket()}/store"
    machines = [machine(tmp_path / name, data, s3_of_session, url) for name in ("one", "other")]
    processes = [each.start("--quba-record=record.json") for each in machines]
    for process in processes:
        finished = ended(process)
        assert (finished.code, finished.err) == (0, "")
    for each in machines:
        assert same_findings(each.record(), first.record())
    assert objects(s3_of_session, url) == objects(s3_of_session, first.settings["QUBA_STORE"])

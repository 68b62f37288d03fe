"""Runs of two machines on one store at a URL, one after the other."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from acceptance.runs import Project, same_findings
from support.s3 import S3Server

EXAMINED = 512
"""Images that the doctor shows a healthy model, at most."""


def machine(folder: Path, data: Path, s3: S3Server, url: str) -> Project:
    """A machine with a cache of its own, whose runs use the store at the URL."""
    project = Project.at(folder, data)
    settings = {"QUBA_STORE": url, "XDG_CACHE_HOME": str(folder / "cache"), **s3.settings}
    return replace(project, settings=project.settings | settings)


def objects(s3: S3Server, url: str) -> Counter[str]:
    """The number of objects of each cache entry."""
    return Counter(name.split("/")[0] for name in s3.names(f"{url}/predictions"))


def test_a_second_machine_predicts_nothing(tmp_path: Path, tiny_data: Path, s3: S3Server) -> None:
    url = f"{s3.new_bucket()}/store"
    first, second = (machine(tmp_path / name, tiny_data, s3, url) for name in ("first", "second"))
    assert first.run("--quba-record=record.json").code == 0
    before = objects(s3, url)
    assert set(before.values()) == {1}
    earlier = len(s3.requests)
    finished = second.run("--quba-record=record.json")
    requests = s3.requests[earlier:]
    assert (finished.code, finished.err) == (0, "")
    assert 0 < second.passes()["forward"] < EXAMINED
    assert second.passes()["backward"] == 0
    assert same_findings(second.record(), first.record())
    assert objects(s3, url) == before
    methods = Counter(method for method, _ in requests)
    assert methods["LIST"] == len(before)
    assert methods["PUT"] == 2  # the record and its per-image file
    reads = [path for method, path in requests if method == "GET" and "/predictions/" in path]
    assert len(reads) == len(set(reads)) == len(before)
    assert methods.keys() == {"LIST", "PUT", "GET"}

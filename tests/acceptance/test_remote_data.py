"""Runs on a data folder behind a URL: the values of the folder, and each file copied once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from acceptance.runs import NINE, Judge, Measured, Project, closed_form
from support.s3 import S3Server


class Uploaded(NamedTuple):
    url: str
    files: list[str]


@pytest.fixture
def uploaded(s3: S3Server, tiny_data: Path) -> Uploaded:
    """The tiny suite on the server."""
    url = f"{s3.new_bucket()}/data"
    client, bucket = s3.client(), url.removeprefix("s3://").partition("/")[0]
    files = sorted(path.relative_to(tiny_data).as_posix() for path in tiny_data.rglob("*") if path.is_file())
    for name in files:
        client.put_object(Bucket=bucket, Key=f"data/{name}", Body=(tiny_data / name).read_bytes())
    return Uploaded(url, files)


def test_two_workers_copy_each_file_once_and_find_the_values_of_the_folder(
    uploaded: Uploaded, s3: S3Server, tiny_data: Path, measured: Measured, tmp_path: Path
) -> None:
    project = Project.at(tmp_path / "project", tiny_data)
    before = len(s3.requests)
    first = project.run("-n2", "--quba-report=record.json", QUBA_DATA=uploaded.url)
    requests = s3.requests[before:]
    assert (first.code, first.err) == (0, ""), first
    assert project.record()["suite"]["root"] == uploaded.url
    measurements = project.record()["measurements"]
    assert {name: measurements[name]["value"] for name in NINE} == pytest.approx(measured.values, abs=1e-6)
    assert project.passes() == closed_form()
    read = sorted(path.partition("/data/")[2] for method, path in requests if method == "GET")
    assert read == uploaded.files
    assert len(requests) == len(read) + 1  # the listing
    with s3.counted() as counted:
        again = project.run("-n2", QUBA_DATA=uploaded.url)
    assert (again.code, counted) == (0, {"LIST": 1})
    assert project.passes() == closed_form(runs=2)


def test_sets_that_do_not_fit_together_are_copied_one_after_another(
    uploaded: Uploaded, measured: Measured, judge_cold: Judge
) -> None:
    names = ("accuracy", "ood_robustness", "object_focus")
    demands = "".join(f"  {name}: {{min: 0}}\n" for name in names)
    judge_cold.write("thresholds/y.yaml", f"schema: 1\nname: y\ndimensions:\n{demands}")
    options = (f"--quba-data={uploaded.url}", "--quba-mirror-gb=3e-6", "--quba-report=record.json")
    assert judge_cold("thresholds/y.yaml", *options, "-p", "no:xdist").ret == 0
    measurements = judge_cold.record()["measurements"]
    assert {name: measurements[name]["value"] for name in names} == {
        name: measured.values[name] for name in names
    }
    copies = [path for path in judge_cold.store.glob("mirror/*/*/files/**/*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in copies) <= 3000
    result = judge_cold("thresholds/y.yaml", f"--quba-data={uploaded.url}", "--quba-mirror-gb=1e-9")
    message = (
        f"ERROR: {uploaded.url}: the manifest takes 4.2e-07 GB, more than this machine may keep (1e-09 GB). "
        "Allowed: --quba-mirror-gb 0.1 or more, or fewer images."
    )
    assert (result.ret, message in result.errlines) == (4, True)

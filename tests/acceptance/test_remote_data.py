"""Runs on a data folder behind a URL: the values of the folder, and each file copied once."""

from pathlib import Path

import pytest
from acceptance.runs import NINE, Measured, Project, are_passes, closed_form
from support.s3 import S3Server


def test_two_workers_copy_each_file_once_and_find_the_values_of_the_folder(
    s3: S3Server, tiny_data: Path, measured: Measured, tmp_path: Path
) -> None:
    url = s3.upload(tiny_data)
    files = sorted(path.relative_to(tiny_data).as_posix() for path in tiny_data.rglob("*") if path.is_file())
    project = Project.at(tmp_path / "project", tiny_data)
    before = len(s3.requests)
    first = project.run("-n2", "--quba-record=record.json", QUBA_DATA=url)
    requests = s3.requests[before:]
    assert (first.code, first.err) == (0, ""), first
    assert project.record()["suite"]["root"] == url
    measurements = project.record()["measurements"]
    assert {name: measurements[name]["value"] for name in NINE} == pytest.approx(measured.values, abs=1e-6)
    assert are_passes(project.passes(), closed_form(), processes=3)
    read = sorted(
        path.removeprefix(f"/{url.removeprefix('s3://')}/") for method, path in requests if method == "GET"
    )
    assert read == files
    assert len(requests) == len(read) + 1  # the listing
    with s3.counted() as counted:
        again = project.run("-n2", QUBA_DATA=url)
    assert (again.code, counted) == (0, {"LIST": 1})
    assert are_passes(project.passes(), closed_form(runs=2), processes=6)

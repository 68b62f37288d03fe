"""Images behind stored runs."""

from pathlib import Path

import pytest
from support.demo_runs import link_demo_images
from support.runs_compared import stored
from support.s3 import S3Server
from support.tiny import CLASSES

from quba_check.cli.formats import picture_source
from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import SuiteError
from quba_check.suites.suite import Suite


def run_on(root: Path, spec: str = "r50.pt") -> StoredRun:
    run = stored("a.json", [0, 1, 2], suite={"name": "tiny", "root": str(root), "fingerprint": "1"})
    model = run.record.model.model_copy(update={"spec": spec})
    return StoredRun("a.json", run.record.model_copy(update={"model": model}), run.images)


def test_the_folder_of_the_run(tiny_data: Path, own_store: Path) -> None:
    source = picture_source(run_on(tiny_data), None, own_store)
    names = source.labelled_names("clean")
    assert {label for _, label, _ in names} == set(CLASSES)
    with source.open_image("clean", names[0][0]) as image:
        assert image.size[0] > 0


def test_the_url_of_the_run(tiny_data: Path, tmp_path: Path, own_store: Path, s3: S3Server) -> None:
    url = s3.upload(tiny_data)
    run = run_on(tmp_path)
    suite = run.record.suite.model_copy(update={"root": url})
    run = StoredRun("a.json", run.record.model_copy(update={"suite": suite}), run.images)
    source = picture_source(run, None, own_store)
    assert {label for _, label, _ in source.labelled_names("clean")} == set(CLASSES)


def test_another_folder(tiny_data: Path, tmp_path: Path, own_store: Path) -> None:
    assert picture_source(run_on(tmp_path / "gone"), tiny_data, own_store).labelled_names("clean")


def test_a_missing_folder_is_a_reason(tmp_path: Path, own_store: Path) -> None:
    source = picture_source(run_on(tmp_path / "gone"), None, own_store)
    assert source == (
        f"{tmp_path}/gone: there is no such data folder. Allowed: an existing folder. "
        "Another folder: --data DIR."
    )


def test_a_missing_folder_that_was_named_is_an_error(tmp_path: Path, own_store: Path) -> None:
    with pytest.raises(SuiteError, match="there is no such data folder"):
        picture_source(run_on(tmp_path), tmp_path / "gone", own_store)


def test_the_images_of_the_demo(demo_suite: Suite, tmp_path: Path) -> None:
    store = link_demo_images(tmp_path / "store", demo_suite)
    source = picture_source(run_on(Path("/gone"), "demo-textured"), None, store)
    assert source.labelled_names("clean")[0] == ("clean/arrow/000.png", "arrow", "")

"""Limits of the page: its size, and the time to make it."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.generated_images import Images
from support.sample_records import run_of_1000_classes, sample, with_hostile_names, write_samples

from quba_check.comparison.stored_run import StoredRun
from quba_check.page.pictures import make_pictures
from quba_check.page.render import render_page

WITHOUT_PICTURES = 250_000
WITH_200_PICTURES = 700_000
"""Largest sizes of a page in bytes."""
SECONDS = 2.0
"""Longest time to make a page from a record of 1,000 classes, in seconds of CPU."""


@pytest.fixture(scope="module")
def thousand() -> StoredRun:
    return run_of_1000_classes()


def test_pages_without_pictures(tmp_path: Path, thousand: StoredRun) -> None:
    write_samples(tmp_path)
    demo = sample(tmp_path, "demo")
    textured = sample(tmp_path, "textured")
    pages = {
        "demo": render_page([demo]),
        "baseline": render_page([textured], baseline=demo),
        "two": render_page([textured, demo]),
        "hostile": render_page([with_hostile_names(textured)]),
        "classes": render_page([thousand], baseline=thousand),
    }
    sizes = {name: len(page.encode()) for name, page in pages.items()}
    assert max(sizes.values()) <= WITHOUT_PICTURES, sizes


@pytest.mark.slow
def test_a_page_with_200_pictures(thousand: StoredRun) -> None:
    verdicts = [row for row in thousand.record.verdicts if row.dimension == "accuracy"]
    run = replace(thousand, record=thousand.record.model_copy(update={"verdicts": tuple(verdicts)}))
    page = render_page([run], pictures=make_pictures([run], [Images(128)], 200))
    assert page.count("<img") == 200
    assert len(page.encode()) <= WITH_200_PICTURES


def test_the_time_to_make_a_page(thousand: StoredRun) -> None:
    render_page([thousand])  # compiles the templates
    start = time.process_time()
    render_page([thousand], baseline=thousand)
    assert time.process_time() - start < SECONDS

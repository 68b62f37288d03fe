"""`quba-check report --pictures`: pictures of images behind failed demands."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from support.sample_records import write_samples

from quba_check.cli.main import main

COMMAND = "report textured.json --baseline demo.json -o report.html"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the records of the demo's models."""
    write_samples(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: str) -> str:
    assert main(words.split()) == 0
    return Path("report.html").read_text(encoding="utf-8")


def test_there_are_none_by_default(folder: Path) -> None:
    assert "<img" not in run(COMMAND)


def test_pictures_of_failed_demands(folder: Path) -> None:
    page = run(f"{COMMAND} --pictures 4")
    sources = re.findall(r'<img src="(data:image/webp;base64,[^"]*)" alt="image of class (\w+)"', page)
    assert len(sources) == 12  # three demands failed
    assert "img-src data:;" in html.unescape(page)
    assert "Wrong images of the set &#39;silhouette&#39;: 134 of 150." in page
    assert page.count("right in the baseline") == 12
    assert run(f"{COMMAND} --pictures 4") == page


def test_images_that_are_not_there(folder: Path) -> None:
    for name in ("demo", "textured"):  # of a model that is not the demo's, on a folder of another machine
        text = Path(f"{name}.json").read_text(encoding="utf-8")
        text = re.sub(r'"spec": "[^"]*"', '"spec": "r50.pt"', text)
        Path(f"{name}.json").write_text(re.sub(r'"root": "[^"]*"', '"root": "/gone"', text), encoding="utf-8")
    page = html.unescape(run(f"{COMMAND} --pictures 4"))
    assert "<img" not in page
    assert page.count("No pictures: /gone: there is no such data folder.") == 3
    assert page.count("Another folder: --data DIR.") == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [("--pictures 2 --data /gone", "/gone: there is no such data folder. Allowed: an existing folder.")],
)
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert main(f"{COMMAND} {words}".split()) == 4
    assert capsys.readouterr().err == f"ERROR: {message}\n"
    assert not Path("report.html").exists()

"""Images of a suite by set and name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from quba_check.errors import SuiteError
from quba_check.suites.sampling import WHOLE, SubsetSampler
from quba_check.suites.set_images import SetImages

MANIFEST = """\
schema: 1
name: tiny
classes: [apple, brick, cloud]
sets:
  clean: {reader: folder, path: val}
  shifts:
    sketch: {reader: folder, path: sketch, space: coarse}
  cue_conflict: {reader: cue-conflict, path: cues}
spaces: {coarse: {fruit: [apple], other: [brick, cloud]}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A suite with two images for each class of a set."""
    (tmp_path / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")
    names = [f"val/{name}/{k}.png" for name in ("apple", "brick", "cloud") for k in range(2)]
    names += [f"sketch/{name}/0.png" for name in ("fruit", "other")]
    names += ["cues/apple1-brick1.png", "cues/cloud1-cloud1.png"]
    for shade, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(path)
    return tmp_path


def test_names_and_classes_of_each_set(root: Path, own_store: Path) -> None:
    images = SetImages.of_run(root, WHOLE, own_store)
    assert images.labelled_names("clean") == [
        (f"val/{name}/{k}.png", name, "") for name in ("apple", "brick", "cloud") for k in range(2)
    ]
    assert images.labelled_names("sketch") == [
        ("sketch/fruit/0.png", "fruit", ""),
        ("sketch/other/0.png", "other", ""),
    ]
    assert images.labelled_names("cue_conflict") == [
        ("cues/apple1-brick1.png", "apple", "brick"),
        ("cues/cloud1-cloud1.png", "cloud", "cloud"),
    ]


def test_an_image_by_its_name(root: Path, own_store: Path) -> None:
    images = SetImages.of_run(root, WHOLE, own_store)
    with images.open_image("sketch", "sketch/other/0.png") as image:
        assert image.getpixel((0, 0)) == (7, 0, 0)


def test_a_sample_has_the_images_of_the_run(root: Path, own_store: Path) -> None:
    names = SetImages.of_run(root, SubsetSampler(3, seed=1), own_store).labelled_names("clean")
    assert [label for _, label, _ in names] == ["apple", "brick", "cloud"]


@pytest.mark.parametrize("name", ["../secret.png", "val/apple/9.png", "/etc/passwd"])
def test_only_images_of_the_set_are_opened(root: Path, own_store: Path, name: str) -> None:
    images = SetImages.of_run(root, WHOLE, own_store)
    with pytest.raises(SuiteError) as caught:
        images.open_image("clean", name)
    assert str(caught.value) == f"{root}: the set 'clean' has no image {name}."

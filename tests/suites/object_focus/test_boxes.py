"""Boxes, and the objects that GrabCut finds in them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from quba_check.core.view import View
from quba_check.errors import SuiteError
from quba_check.suites.object_focus import make_object_focus
from quba_check.suites.object_focus.boxes import BoxFile, segment
from quba_check.suites.object_focus.mixing import Box
from quba_check.suites.object_focus.objects import SkipReason


def scene(seed=0):
    """A dark disc on bright ground, with noise; and where the disc is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :80]
    disc = (x - 40) ** 2 + (y - 30) ** 2 < 15**2
    levels = np.where(disc, 60, 190)[..., None] + rng.normal(0, 12, (60, 80, 3))
    return np.clip(levels, 0, 255).astype(np.uint8), disc


def test_grabcut_finds_a_disc_in_its_box():
    picture, disc = scene()
    mask = segment(picture, Box(20, 10, 60, 50))
    assert mask.shape == disc.shape
    assert (mask & disc).sum() / (mask | disc).sum() > 0.95
    assert not mask[:, :20].any()


def test_grabcut_repeats():
    picture, _ = scene()
    first = segment(picture, Box(20, 10, 60, 50))
    segment(scene(1)[0], Box(5, 5, 70, 55))
    assert (segment(picture, Box(20, 10, 60, 50)) == first).all()


def test_grabcut_on_too_few_pixels():
    assert segment(np.zeros((2, 2, 3), np.uint8), Box(0, 0, 1, 1)) is None


def test_threads_find_the_same(suite, tmp_path, monkeypatch):
    rows = ["path,x0,y0,x1,y1"]
    for number, example in enumerate(suite.examples(View("clean"))):
        Image.fromarray(scene(number)[0]).save(suite.root / example.name)
        rows.append(f"{example.name},{10 + number},5,65,55")
    (tmp_path / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    made = []
    for cores in (1, 4):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        out = tmp_path / str(cores)
        make_object_focus(suite, BoxFile(tmp_path / "boxes.csv"), out)
        made.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")})
    assert len(made[0]) == 10
    assert made[0] == made[1]


def locate(suite, path, number=0):
    examples = suite.examples(View("clean"))
    objects = BoxFile(path)
    objects.prepare(suite, examples)
    return objects.locate(suite, examples[number])


@pytest.mark.parametrize("name", ["val/apple/2.png", "apple/2.png"])
def test_the_box_is_what_the_file_says(suite, boxes, name):
    picture, _ = scene()
    Image.fromarray(picture).save(suite.root / "val/apple/2.png")
    path = boxes(f"kind,path,x0,y0,x1,y1\nbig,{name},20.4,10,59.1,50\n,train/x.png,1,1,2,2\n")
    located_object = locate(suite, path, 1)
    assert located_object.box == Box(20, 10, 60, 50)
    assert located_object.mask[30, 40]
    assert not located_object.mask[10, 20]


def test_images_without_one_box(suite, boxes):
    path = boxes(
        "path,x0,y0,x1,y1\n"
        "apple/2.png,1,1,3,3\n"
        "apple/2.png,4,4,6,6\n"
        "apple/3.png,0,0,10,8\n"
        "pear/1.png,0,0,1,1\n"
    )
    assert [locate(suite, path, number) for number in range(4)] == [
        SkipReason.NO_BOX,
        SkipReason.SEVERAL,
        SkipReason.FILLS,
        SkipReason.NOT_FOUND,
    ]
    assert [str(SkipReason.NO_BOX), str(SkipReason.SEVERAL), str(SkipReason.NOT_FOUND)] == [
        "no box",
        "several boxes",
        "no object found in the box",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,x0,y0\n", ":1: the header must name path, x0, y0, x1 and y1, got path, x0, y0."),
        ("path,x0,y0,x1,y1\n\napple/1.jpg,1,1,a,3\n", ":3: x1 must be a number of pixels, got 'a'."),
        (
            "path,x0,y0,x1,y1\napple/1.jpg,3,1,3,4\n",
            ":2: the box is empty, got 3,1,3,4. Allowed: x0 < x1 and y0 < y1.",
        ),
        (
            "path,x0,y0,x1,y1\napple/1.jpg,0,-1,3,4\n",
            ":2: the box reaches outside the image, got 0,-1,3,4. Allowed: 0 to 10 for x, 0 to 8 for y.",
        ),
        (
            "path,x0,y0,x1,y1\nfig/1.jpg,0,0,1,1\n",
            ": no box for any of the 5 clean images. Expected: paths such as val/apple/1.jpg or apple/1.jpg.",
        ),
        ('path,x0,y0,x1,y1\n"apple,1\n', ":2: not a CSV file (unexpected end of data)."),
    ],
)
def test_messages(suite, boxes, text, message):
    path = boxes(text)
    with pytest.raises(SuiteError) as raised:
        locate(suite, path)
    assert str(raised.value) == f"{path}{message}"

"""Masks in all the ways that people store them, and what is wrong with others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from quba_check.core.view import View
from quba_check.errors import SuiteError
from quba_check.suites.object_focus.masks import MaskFolder, read_mask
from quba_check.suites.object_focus.mixing import Box
from quba_check.suites.object_focus.objects import SkipReason

EXPECTED = [[False, True, True], [False, False, True]]
ON = np.array(EXPECTED)


def store_and_read(tmp_path, image, name="mask.png"):
    path = tmp_path / name
    image.save(path)
    return read_mask(path).tolist()


@pytest.mark.parametrize(
    "levels",
    [np.where(ON, 255, 0), np.where(ON, 1, 0), np.where(ON, 200, 100), np.array([[0, 1, 3], [0, 0, 2]])],
    ids=["0 and 255", "0 and 1", "soft", "numbered objects"],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_grey_levels(tmp_path, levels, mode):
    if mode == "I;16" and levels.max() > 3:
        levels = levels * 257
    image = Image.fromarray(levels.astype(np.uint16 if mode == "I;16" else np.uint8))
    assert store_and_read(tmp_path, image.convert("RGB") if mode == "RGB" else image) == EXPECTED


def one_channel() -> Image.Image:
    red = np.zeros((2, 3, 3), np.uint8)
    red[ON, 0] = 255
    return Image.fromarray(red)


def palette() -> Image.Image:
    """A palette whose first colour is the background."""
    image = Image.fromarray(np.where(ON, 1, 0).astype(np.uint8)).convert("P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


def cut_out() -> Image.Image:
    black = Image.new("RGBA", (3, 2))
    black.putalpha(Image.fromarray(np.where(ON, 255, 9).astype(np.uint8)))
    return black


def opaque() -> Image.Image:
    return Image.fromarray(np.where(ON, 255, 0).astype(np.uint8)).convert("RGBA")


@pytest.mark.parametrize(
    "image",
    [Image.fromarray(ON), one_channel(), palette(), cut_out(), cut_out().convert("LA"), opaque()],
    ids=["one bit", "one channel", "palette", "cut out", "cut out in grey", "opaque with alpha"],
)
def test_other_kinds_of_images(tmp_path, image):
    assert store_and_read(tmp_path, image) == EXPECTED


def test_jpeg_is_lossy(tmp_path):
    path = tmp_path / "mask.jpg"
    wide = np.kron(np.where(ON, 255, 0), np.ones((8, 8))).astype(np.uint8)
    Image.fromarray(wide).save(path, quality=30)
    assert (read_mask(path) == (wide > 127)).all()


def locate(suite, folder, number=0):
    examples = suite.examples(View("clean"))
    objects = MaskFolder(folder)
    objects.prepare(suite, examples)
    return objects.locate(suite, examples[number])


def test_the_object_and_its_box(suite, masks):
    located_object = locate(suite, masks)
    assert located_object.box == Box(3, 2, 7, 6)
    assert located_object.mask.sum() == 12


def test_names_from_the_data_folder_do_as_well(suite, masks, tmp_path):
    (tmp_path / "all").mkdir()
    masks.rename(tmp_path / "all" / "val")
    assert locate(suite, tmp_path / "all").box == Box(3, 2, 7, 6)


def test_images_without_a_mask_or_with_one_that_is_no_use(suite, masks):
    (masks / "apple" / "1.png").unlink()
    Image.new("L", (10, 8)).save(masks / "apple" / "2.png")
    Image.new("L", (10, 8), 255).save(masks / "apple" / "3.png")
    assert [locate(suite, masks, number) for number in range(3)] == [
        SkipReason.NO_MASK,
        SkipReason.EMPTY,
        SkipReason.FILLS,
    ]
    assert [str(SkipReason.NO_MASK), str(SkipReason.EMPTY), str(SkipReason.FILLS)] == [
        "no mask",
        "empty mask",
        "object over 90% of the image",
    ]


def test_nine_tenths_of_an_image_are_not_too_much(suite, masks):
    mask = np.full((8, 10), 255, np.uint8)
    mask[:, 0] = 0
    Image.fromarray(mask).save(masks / "apple" / "1.png")
    assert locate(suite, masks).box == Box(1, 0, 10, 8)


def test_messages(suite, masks, tmp_path):
    def message(folder):
        with pytest.raises(SuiteError) as raised:
            locate(suite, folder)
        return str(raised.value)

    assert message(tmp_path / "no") == f"{tmp_path / 'no'}: there is no such folder of masks."
    file = tmp_path / "file"
    file.touch()
    assert message(file) == f"{file}: is a file, not a folder of masks."
    (tmp_path / "empty").mkdir()
    assert message(tmp_path / "empty") == (
        f"{tmp_path / 'empty'}: no mask for any of the 5 clean images. "
        "Expected: val/apple/1.png or apple/1.png, and so on."
    )
    Image.new("L", (8, 10)).save(masks / "apple" / "1.png")
    assert message(masks) == (
        f"{masks / 'apple' / '1.png'}: a mask has the size of its image, "
        "got 8 × 10 for val/apple/1.jpg (10 × 8)."
    )
    (masks / "apple" / "1.png").write_bytes(b"no image")
    assert message(masks) == (
        f"{masks / 'apple' / '1.png'}: cannot be decoded as an image (no image format recognises it). "
        "Replace or remove the mask."
    )
    (masks / "apple" / "1.jpg").touch()
    assert message(masks) == (
        f"{masks}: two masks for val/apple/1.jpg: apple/1.jpg and apple/1.png. Remove one."
    )

"""Objects from masks in all the ways that people store them, and from boxes by GrabCut."""

import numpy as np
import pytest
from PIL import Image
from support.suites import error_text

from quba_check.core.view import CLEAN
from quba_check.suites.object_focus.making import make_object_focus
from quba_check.suites.object_focus.objects import Box, SkipReason
from quba_check.suites.object_focus.sources import BoxFile, MaskFolder, read_mask, segment

EXPECTED = [[False, True, True], [False, False, True]]
ON = np.array(EXPECTED)


def image_of(levels, dtype=np.uint8):
    return Image.fromarray(levels.astype(dtype))


@pytest.mark.parametrize(
    "levels",
    [np.where(ON, 255, 0), np.where(ON, 1, 0), np.where(ON, 200, 100), np.array([[0, 1, 3], [0, 0, 2]])],
    ids=["0 and 255", "0 and 1", "soft", "numbered objects"],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_grey_levels(tmp_path, levels, mode):
    if mode == "I;16":
        image = image_of(levels * 257 if levels.max() > 3 else levels, np.uint16)
    else:
        image = image_of(levels).convert(mode)
    image.save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").tolist() == EXPECTED


def one_channel():
    red = np.zeros((2, 3, 3), np.uint8)
    red[ON, 0] = 255
    return image_of(red)


def palette():
    """A palette whose first colour is the background."""
    image = image_of(np.where(ON, 1, 0)).convert("P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


def cut_out():
    black = Image.new("RGBA", (3, 2))
    black.putalpha(image_of(np.where(ON, 255, 9)))
    return black


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(ON),
        one_channel(),
        palette(),
        cut_out(),
        cut_out().convert("LA"),
        image_of(np.where(ON, 255, 0)).convert("RGBA"),
    ],
    ids=["one bit", "one channel", "palette", "cut out", "cut out in grey", "opaque with alpha"],
)
def test_other_kinds_of_images(tmp_path, image):
    image.save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").tolist() == EXPECTED


def test_jpeg_is_lossy(tmp_path):
    wide = np.kron(np.where(ON, 255, 0), np.ones((8, 8)))
    image_of(wide).save(tmp_path / "mask.jpg", quality=30)
    assert (read_mask(tmp_path / "mask.jpg") == (wide > 127)).all()


def locate(suite, objects, number=0):
    examples = suite.examples(CLEAN)
    objects.prepare(suite, examples)
    return objects.locate(suite, examples[number])


def test_the_object_and_its_box(suite, masks):
    located_object = locate(suite, MaskFolder(masks))
    assert located_object.box == Box(3, 2, 7, 6)
    assert located_object.mask.sum() == 12


def test_names_from_the_data_folder_do_as_well(suite, masks, tmp_path):
    (tmp_path / "all").mkdir()
    masks.rename(tmp_path / "all" / "val")
    assert locate(suite, MaskFolder(tmp_path / "all")).box == Box(3, 2, 7, 6)


def test_images_without_a_mask_or_with_one_that_is_no_use(suite, masks):
    (masks / "apple" / "1.png").unlink()
    Image.new("L", (10, 8)).save(masks / "apple" / "2.png")
    Image.new("L", (10, 8), 255).save(masks / "apple" / "3.png")
    reasons = [locate(suite, MaskFolder(masks), number) for number in range(3)]
    assert reasons == [SkipReason.NO_MASK, SkipReason.EMPTY, SkipReason.FILLS]
    assert [*map(str, reasons)] == ["no mask", "empty mask", "object over 90% of the image"]


def test_nine_tenths_of_an_image_are_not_too_much(suite, masks):
    mask = np.full((8, 10), 255, np.uint8)
    mask[:, 0] = 0
    Image.fromarray(mask).save(masks / "apple" / "1.png")
    assert locate(suite, MaskFolder(masks)).box == Box(1, 0, 10, 8)


def test_messages_about_masks(suite, masks, tmp_path):
    def message(folder):
        return error_text(locate, suite, MaskFolder(folder))

    assert message(tmp_path / "no") == f"{tmp_path / 'no'}: there is no such folder of masks."
    file = tmp_path / "file"
    file.touch()
    assert message(file) == f"{file}: is a file, not a folder of masks."
    (tmp_path / "empty").mkdir()
    assert message(tmp_path / "empty") == (
        f"{tmp_path / 'empty'}: no mask for any of the 5 clean images. "
        "Expected: val/apple/1.png or apple/1.png, and so on."
    )
    mask = masks / "apple" / "1.png"
    Image.new("L", (8, 10)).save(mask)
    assert message(masks) == (
        f"{mask}: a mask has the size of its image, got 8 × 10 for val/apple/1.jpg (10 × 8)."
    )
    mask.write_bytes(b"no image")
    assert message(masks) == (
        f"{mask}: cannot be decoded as an image (no image format recognises it). Replace or remove the mask."
    )
    (masks / "apple" / "1.jpg").touch()
    text = f"{masks}: two masks for val/apple/1.jpg: apple/1.jpg and apple/1.png. Remove one."
    assert message(masks) == text


def scene(seed=0):
    """A dark disc on bright ground, with noise; and where the disc is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :80]
    disc = (x - 40) ** 2 + (y - 30) ** 2 < 15**2
    levels = np.where(disc, 60, 190)[..., None] + rng.normal(0, 12, (60, 80, 3))
    return np.clip(levels, 0, 255).astype(np.uint8), disc


def test_grabcut_finds_a_disc_in_its_box_and_repeats():
    picture, disc = scene()
    mask = segment(picture, Box(20, 10, 60, 50))
    assert mask.shape == disc.shape
    assert (mask & disc).sum() / (mask | disc).sum() > 0.95
    assert not mask[:, :20].any()
    segment(scene(1)[0], Box(5, 5, 70, 55))
    assert (segment(picture, Box(20, 10, 60, 50)) == mask).all()


def test_grabcut_on_too_few_pixels():
    assert segment(np.zeros((2, 2, 3), np.uint8), Box(0, 0, 1, 1)) is None


def test_threads_find_the_same(suite, boxes, tmp_path, monkeypatch):
    rows = ["path,x0,y0,x1,y1"]
    for number, example in enumerate(suite.examples(CLEAN)):
        Image.fromarray(scene(number)[0]).save(suite.root / example.name)
        rows.append(f"{example.name},{10 + number},5,65,55")
    path = boxes("\n".join(rows))
    made = []
    for cores in (1, 4):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        out = tmp_path / str(cores)
        make_object_focus(suite, BoxFile(path), out)
        made.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")})
    assert len(made[0]) == 10
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["val/apple/2.png", "apple/2.png"])
def test_the_box_is_what_the_file_says(suite, boxes, name):
    Image.fromarray(scene()[0]).save(suite.root / "val/apple/2.png")
    path = boxes(f"kind,path,x0,y0,x1,y1\nbig,{name},20.4,10,59.1,50\n,train/x.png,1,1,2,2\n")
    located_object = locate(suite, BoxFile(path), 1)
    assert located_object.box == Box(20, 10, 60, 50)
    assert located_object.mask[30, 40]
    assert not located_object.mask[10, 20]


def test_images_without_one_box(suite, boxes):
    rows = ["2.png,1,1,3,3", "2.png,4,4,6,6", "3.png,0,0,10,8"]
    path = boxes("".join(["path,x0,y0,x1,y1\n", *(f"apple/{row}\n" for row in rows), "pear/1.png,0,0,1,1\n"]))
    reasons = [locate(suite, BoxFile(path), number) for number in range(4)]
    assert reasons == [SkipReason.NO_BOX, SkipReason.SEVERAL, SkipReason.FILLS, SkipReason.NOT_FOUND]
    texts = ["no box", "several boxes", "object over 90% of the image", "no object found in the box"]
    assert [*map(str, reasons)] == texts


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("path,x0,y0", ":1: the header must name path, x0, y0, x1 and y1, got path, x0, y0."),
        ("\napple/1.jpg,1,1,a,3", ":3: x1 must be a number of pixels, got 'a'."),
        ("apple/1.jpg,3,1,3,4", ":2: the box is empty, got 3,1,3,4. Allowed: x0 < x1 and y0 < y1."),
        (
            "apple/1.jpg,0,-1,3,4",
            ":2: the box reaches outside the image, got 0,-1,3,4. Allowed: 0 to 10 for x, 0 to 8 for y.",
        ),
        (
            "fig/1.jpg,0,0,1,1",
            ": no box for any of the 5 clean images. Expected: paths such as val/apple/1.jpg or apple/1.jpg.",
        ),
        ('"apple,1', ":2: not a CSV file (unexpected end of data)."),
    ],
)
def test_messages_about_boxes(suite, boxes, rows, message):
    path = boxes(("" if rows.startswith("path") else "path,x0,y0,x1,y1\n") + f"{rows}\n")
    assert error_text(locate, suite, BoxFile(path)) == f"{path}{message}"

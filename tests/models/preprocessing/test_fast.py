"""Fast preprocessing gives the pixels of Pillow and timm's transform, within 2 of 255 levels."""

import ctypes
import io
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from support.loaded_models import prepared
from support.pairwise import pairwise
from torchvision import io as torchvision_io
from torchvision.transforms.functional import pil_to_tensor

from quba_check.models.preprocessing import fast, torchvision_decoders
from quba_check.models.preprocessing.fast import can_be_fast, fast_transform, rgb_pixels
from quba_check.models.preprocessing.preprocessing import Preprocessing

SIZES = [(75, 100), (100, 75), (64, 64), (56, 56), (9, 7), (1, 60), (60, 1), (1, 1), (400, 300), (40, 400)]
"""Heights and widths: photos, the input and its margin, tiny images that grow, lines, strips."""


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


preprocessing = partial(prepared, input_size=(3, 56, 56), interpolation="bicubic")


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The library of each image that is decoded, with the attempts of torchvision."""
    calls: list[str] = []
    decode = fast.decode_jpeg
    convert = Image.Image.convert
    monkeypatch.setattr(fast, "decode_jpeg", lambda *args: calls.append("torchvision") or decode(*args))
    monkeypatch.setattr(Image.Image, "convert", lambda *args: calls.append("pillow") or convert(*args))
    return calls


TURNED = Image.Exif()
TURNED[0x0112] = 6
JPEGS = {
    "4:4:4": jpeg(picture(37, 51), subsampling=0),
    "4:2:2": jpeg(picture(37, 51), subsampling=1),
    "4:2:0": jpeg(picture(37, 51), subsampling=2),
    "progressive": jpeg(picture(37, 51), progressive=True),
    "restart markers": jpeg(picture(37, 51), restart_marker_blocks=2),
    "grey": jpeg(picture(37, 51).convert("L")),
    "stored as RGB": jpeg(picture(37, 51), keep_rgb=True),
    "turned by EXIF": jpeg(picture(37, 51), exif=TURNED),
    "a colour profile": jpeg(picture(37, 51), icc_profile=b"p" * 70_000),
}


@pytest.mark.parametrize("name", JPEGS)
def test_torchvision_decodes_jpeg_files_to_pillows_pixels(name: str, decoders: list[str]) -> None:
    with Image.open(io.BytesIO(JPEGS[name])) as image:
        pixels = rgb_pixels(image)
    assert decoders == ["torchvision"]
    assert pixels.dtype == torch.uint8
    with Image.open(io.BytesIO(JPEGS[name])) as image:
        assert torch.equal(pixels, pil_to_tensor(image.convert("RGB")))


def decoded(decode, content: bytes) -> torch.Tensor | str:
    """Return the pixels, or the error's text."""
    try:
        return decode(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    except RuntimeError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore:The image decoding")  # torchvision 0.29 deprecates it
@pytest.mark.parametrize("library", ["alone", "missing", "broken", "incomplete"])
def test_the_decoders_are_torchvisions(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without torchvision's own module: the same pixels, and the same errors."""
    if library == "missing":
        monkeypatch.setattr(torchvision_decoders, "find_spec", lambda name: None)
    elif library == "broken":
        monkeypatch.setattr(torch.ops, "load_library", lambda path: ctypes.CDLL(__file__))
    elif library == "incomplete":
        monkeypatch.setattr(torchvision_decoders.PathFinder, "find_spec", lambda name, path: None)
    for name in ("decode_jpeg", "decode_image"):
        decode = torchvision_decoders.rgb_decoder(name)
        theirs = getattr(torchvision_io, name)
        assert (decode.func is theirs) == (library != "alone")
        expected = partial(theirs, mode=torchvision_io.ImageReadMode.RGB)
        for content in (*JPEGS.values(), JPEGS["4:2:0"][:-60], b"no image"):
            ours = decoded(decode, content)
            correct = decoded(expected, content)
            assert ours == correct if isinstance(correct, str) else torch.equal(ours, correct)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "CMYK", "an array"])
def test_pillow_decodes_the_rest(kind: str, decoders: list[str]) -> None:
    image = picture(37, 51)
    expected = pil_to_tensor(image)
    if kind == "CMYK":
        content = jpeg(image.convert("CMYK"))
        expected = pil_to_tensor(Image.open(io.BytesIO(content)).convert("RGB"))
    elif kind != "an array":
        file = io.BytesIO()
        image.save(file, kind, lossless=True)
        content = file.getvalue()
    decoders.clear()
    pixels = rgb_pixels(image if kind == "an array" else Image.open(io.BytesIO(content)))
    assert decoders == ["pillow"]
    assert torch.equal(pixels, expected)


def outcome(content: bytes, decode) -> torch.Tensor | str:
    """Return the pixels, or the error's type and text."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return decode(image)
    except Exception as error:  # noqa: BLE001  decoders raise any error
        return f"{type(error).__name__}: {str(error).partition('<')[0]}"


def check_same_outcome(content: bytes) -> bool:
    """Check that both ways have the same pixels or the same error; return True for an error."""
    expected = outcome(content, lambda image: pil_to_tensor(image.convert("RGB")))
    found = outcome(content, rgb_pixels)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return True
    assert torch.equal(found, expected)
    return False


@pytest.mark.parametrize("name", ["4:2:0", "progressive", "restart markers", "grey"])
def test_a_truncated_file_has_pillows_error(name: str) -> None:
    content = JPEGS[name]
    errors = sum(check_same_outcome(content[:length]) for length in range(0, len(content), 9))
    assert errors > 50
    check_same_outcome(content[:-2])  # without the end marker alone


@pytest.mark.parametrize("name", ["4:2:0", "progressive", "restart markers", "grey"])
def test_a_damaged_file_has_pillows_pixels_or_error(name: str) -> None:
    rng = np.random.default_rng(0)
    errors = 0
    for _ in range(150):
        content = bytearray(JPEGS[name])
        for place in rng.integers(0, len(content), rng.integers(1, 4)).tolist():
            content[place] = int(rng.integers(0, 256))
        errors += check_same_outcome(bytes(content))
    assert 10 < errors < 140


def differences(settings: Preprocessing, crop: bool, sizes: list[tuple[int, int]]) -> torch.Tensor:
    """Absolute differences of all values of the fast and the exact way, over pictures of each size."""
    exact = settings.transform(crop=crop)
    quick = fast_transform(settings, crop=crop)
    found = []
    for number, (height, width) in enumerate(sizes):
        noise = np.random.default_rng(number).integers(0, 2, (height, width, 3), dtype=np.uint8) * 255
        for image in (picture(height, width, number), Image.fromarray(noise)):
            expected = exact(image)
            pixels = quick(pil_to_tensor(image))
            assert (pixels.shape, pixels.dtype) == (expected.shape, expected.dtype)
            found.append((pixels.int() - expected.int()).abs().flatten())
    return torch.cat(found)


@pytest.mark.parametrize(
    ("interpolation", "crop_mode", "crop_pct", "size", "crop"),
    pairwise(
        sorted(fast.INTERPOLATIONS),
        sorted(fast.CROP_MODES),
        [0.5, 0.875, 1.0, 1.3],
        [(3, 56, 56), (3, 40, 64)],
        [True, False],
    ),
)
def test_resized_pixels_differ_by_two_levels_at_most(interpolation, crop_mode, crop_pct, size, crop) -> None:
    settings = preprocessing(
        interpolation=interpolation, crop_mode=crop_mode, crop_pct=crop_pct, input_size=size
    )
    assert can_be_fast(settings)
    found = differences(settings, crop, SIZES)
    assert found.max() <= 2
    assert (found > 1).float().mean() < 0.001


def test_images_that_need_no_resize_are_cropped_exactly() -> None:
    assert differences(preprocessing(), True, [(64, 64), (64, 91), (99, 64)]).max() == 0
    assert differences(preprocessing(), False, [(56, 56)]).max() == 0


def test_pillow_resizes_images_whose_height_it_shrinks_first() -> None:
    settings = preprocessing(crop_mode="squash", crop_pct=1.0)
    sizes = [(h, w) for h, w in ((300, 40), (200, 100), (150, 103)) if h - 56 >= 2 * (w - 56)]
    assert len(sizes) == 3
    assert differences(settings, True, sizes).max() == 0


@pytest.mark.parametrize(
    "changes",
    [{"interpolation": name} for name in ("nearest", "box", "hamming", "lanczos")]
    + [{"crop_mode": "border"}],
)
def test_other_settings_have_no_fast_form(changes: dict[str, str]) -> None:
    assert not can_be_fast(preprocessing(**changes))


def test_the_result_holds_no_more_memory_than_its_pixels() -> None:
    pixels = fast_transform(preprocessing(), crop=True)(pil_to_tensor(picture(300, 400)))
    assert pixels.untyped_storage().nbytes() == 3 * 56 * 56
    assert pixels.permute(1, 2, 0).is_contiguous()

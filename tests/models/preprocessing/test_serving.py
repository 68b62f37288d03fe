"""Serving pipelines give exactly what each library's own calls give on a real photo."""

import io
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images
from support.errors import error_text
from support.loaded_models import prepared
from syrupy.assertion import SnapshotAssertion
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from quba_check.core.serving import Resize, ServingPipeline
from quba_check.errors import ModelError
from quba_check.models.preprocessing.serving import decoder, serving_transform, with_version

SIDE = 48
SHORTER = 54
"""Shorter side before the model's own crop, 48 / 0.875."""


@pytest.fixture(scope="module")
def photo() -> Path:
    """A photo of 427 × 640 pixels."""
    return Path(next(name for name in load_sample_images().filenames if name.endswith("china.jpg")))


def served(photo: Path, *, cropped: bool = True, interpolation: str = "bilinear", **pipeline) -> np.ndarray:
    one = ServingPipeline(**pipeline)
    transform = serving_transform(prepared(interpolation=interpolation), one, crop=cropped)
    with Image.open(photo) as image:
        return transform(decoder(one.decode)(image)).numpy()


def opencv_pixels(photo: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)


def test_steps_that_are_not_stated_are_the_models_own(photo: Path) -> None:
    with Image.open(photo) as image:
        for crop in (True, False):
            own = prepared(interpolation="hamming").transform(crop=crop)(image.convert("RGB"))
            pixels = served(photo, interpolation="hamming", cropped=crop, channels="BGR")
            assert np.array_equal(pixels[::-1], own.numpy())


@pytest.mark.parametrize(
    ("method", "flag"),
    [
        ("nearest", cv2.INTER_NEAREST),
        ("bilinear", cv2.INTER_LINEAR),
        ("bicubic", cv2.INTER_CUBIC),
        ("area", cv2.INTER_AREA),
        ("lanczos", cv2.INTER_LANCZOS4),
    ],
)
def test_opencv(photo: Path, method: str, flag: int) -> None:
    expected = cv2.resize(opencv_pixels(photo), (SIDE, SIDE), interpolation=flag).transpose(2, 0, 1)
    resize = Resize("opencv", method)
    assert np.array_equal(served(photo, decode="opencv", resize=resize, crop="squash"), expected)
    blue_first = served(photo, decode="opencv", resize=resize, crop="squash", channels="BGR")
    assert np.array_equal(blue_first, expected[::-1])


@pytest.mark.filterwarnings("ignore:The image decoding")  # torchvision 0.29 deprecates it
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_torchvision(photo: Path, method: str, antialias: bool) -> None:
    pixels = decode_image(str(photo), ImageReadMode.RGB)
    resize = v2.Resize(SHORTER, v2.InterpolationMode(method), antialias=antialias)
    expected = v2.CenterCrop(SIDE)(resize(pixels)).numpy()
    found = served(photo, decode="torchvision", resize=Resize("torchvision", method, antialias))
    assert np.array_equal(found, expected)


def test_torchvision_filters_by_default(photo: Path) -> None:
    default, filtered = (served(photo, resize=Resize("torchvision", None, one)) for one in (None, True))
    assert np.array_equal(default, filtered)
    assert not np.array_equal(default, served(photo, resize=Resize("torchvision", None, False)))


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_pillow_letterbox(photo: Path, method: str) -> None:
    with Image.open(photo) as image:
        padded = ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), Image.Resampling[method.upper()])
    expected = np.asarray(padded).transpose(2, 0, 1)
    assert np.array_equal(served(photo, resize=Resize("pillow", method), crop="letterbox"), expected)
    assert not expected[:, :8].any()  # black above the photo
    assert expected[:, 8].any()


def test_a_thin_line_keeps_a_row_in_a_letterbox() -> None:
    line = Image.new("RGB", (400, 1), (9, 9, 9))
    pixels = serving_transform(prepared(), ServingPipeline(crop="letterbox"), crop=True)(line)
    assert pixels.sum(dim=(0, 2)).nonzero().flatten().tolist() == [23]


def test_jpeg_comes_between_decoding_and_resize(photo: Path) -> None:
    file = io.BytesIO()
    with Image.open(photo) as image:
        image.convert("RGB").save(file, "JPEG", quality=30)
    with Image.open(file) as again:
        expected = prepared().transform(crop=True)(again.convert("RGB")).numpy()
    assert np.array_equal(served(photo, jpeg=30), expected)


def test_a_stated_crop_replaces_the_models(photo: Path) -> None:
    with Image.open(photo) as image:
        rgb = image.convert("RGB")
        center = prepared().transform(crop=True)(rgb)
        squash = rgb.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    one = serving_transform(prepared(crop_mode="squash"), ServingPipeline(crop="center"), crop=True)
    assert torch.equal(one(rgb), center)
    assert np.array_equal(served(photo, crop="squash"), np.asarray(squash).transpose(2, 0, 1))


def test_opencv_applies_the_orientation_and_the_others_do_not(tmp_path: Path, photo: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    path = tmp_path / "rotated.jpg"
    with Image.open(photo) as image:
        image.save(path, exif=tags)
    sizes = {}
    for library in ("pillow", "torchvision", "opencv"):
        with Image.open(path) as image:
            sizes[library] = decoder(library)(image).size
    assert sizes == {"pillow": (640, 427), "torchvision": (640, 427), "opencv": (427, 640)}


def test_images_without_a_file_need_no_decoder() -> None:
    image = Image.new("RGB", (3, 2), (10, 20, 30))
    assert decoder("opencv")(image).getpixel((0, 0)) == (10, 20, 30)


def test_what_opencv_cannot_read_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "image.pcx")
    with (
        Image.open(tmp_path / "image.pcx") as image,
        pytest.raises(ValueError, match="OpenCV, which the serving pipeline states, does not read it"),
    ):
        decoder("opencv")(image)


def test_a_library_without_the_models_interpolation() -> None:
    pipeline = ServingPipeline(resize=Resize("torchvision"))
    text = error_text(ModelError, serving_transform, prepared(interpolation="lanczos"), pipeline, crop=True)
    assert text == (
        "serving: resize: torchvision has no method 'lanczos', which the model's preprocessing states. "
        "Allowed: nearest, bilinear, bicubic. State one under resize.method."
    )


CALLS = """\
import numpy as np
import torch

def pixels(image):
    return np.asarray(image.resize((48, 48)))

def tensor(image):
    return torch.from_numpy(pixels(image).copy())

def floats(image):
    return pixels(image).transpose(2, 0, 1).astype("float32") / 100 - 1

def wrong_shape(image):
    return np.asarray(image)

def wrong_type(image):
    return floats(image).astype("float64")

def nothing(image):
    return [image]

def nan(image):
    return floats(image) * float("nan")

def raises(image):
    raise KeyError("no such size")

def two_kinds(image):
    return floats(image) if image.width == 9 else pixels(image)

seen = []
def random(image):
    seen.append(image)
    return pixels(image) + np.uint8(len(seen))

def in_place(image):
    image.thumbnail((24, 24))
    return pixels(image)

text = "no function"
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory):
    """Return the transform of a function in a module of the user."""
    folder = tmp_path_factory.mktemp("calls")
    (folder / "serving_calls.py").write_text(CALLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.chdir(folder)
        yield lambda name: serving_transform(
            prepared(), ServingPipeline(call=f"serving_calls:{name}"), crop=True
        )


def test_a_function_returns_pixels_or_normalised_floats(call) -> None:
    image = Image.new("RGB", (9, 7), (10, 20, 30))
    for name in ("pixels", "tensor"):
        assert call(name)(image).shape == (3, SIDE, SIDE)
        assert call(name)(image).dtype == torch.uint8
        assert call(name)(image)[:, 0, 0].tolist() == [10, 20, 30]
    floats = call("floats")(image)
    assert floats.dtype == torch.float32
    assert floats[:, 5, 6].tolist() == pytest.approx([-0.9, -0.8, -0.7])


@pytest.mark.parametrize("name", ["wrong_shape", "wrong_type", "nothing", "nan", "raises"])
def test_errors_of_a_function(call, name: str, snapshot: SnapshotAssertion) -> None:
    assert error_text(ModelError, call(name), Image.new("RGB", (9, 7))) == snapshot


def test_a_function_returns_one_kind(call, snapshot: SnapshotAssertion) -> None:
    transform = call("two_kinds")
    transform(Image.new("RGB", (9, 7)))
    assert error_text(ModelError, transform, Image.new("RGB", (8, 7))) == snapshot


def test_randomness_is_refused(call, photo: Path) -> None:
    with Image.open(photo) as image:
        assert call("in_place")(image.convert("RGB")).shape == (3, SIDE, SIDE)
    text = error_text(ModelError, call("random"), Image.new("RGB", (9, 7)))
    assert text == (
        "serving: serving_calls:random: got different arrays for the same image. "
        "Allowed: a function without randomness."
    )


def test_what_is_not_callable(call) -> None:
    text = error_text(ModelError, with_version, ServingPipeline(call="serving_calls:text"))
    assert text == (
        "serving: serving_calls:text: is not callable, got a value of type str. "
        "Allowed: a function from an RGB image of Pillow to an array."
    )
    with pytest.raises(ModelError, match=r"^serving_calls:pixel: 'serving_calls' has no attribute 'pixel'"):
        with_version(ServingPipeline(call="serving_calls:pixel"))


def test_the_version_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_version(ServingPipeline(jpeg=85)).version == "1"
    resized = with_version(ServingPipeline(resize=Resize("opencv"))).version
    assert resized == with_version(ServingPipeline(decode="opencv")).version == f"1, opencv {cv2.__version__}"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, text in {"first": CALLS, "same": CALLS, "other": CALLS + "\n"}.items():
        (tmp_path / f"calls_{name}.py").write_text(text)
    version = partial(lambda name: with_version(ServingPipeline(call=f"calls_{name}:pixels")).version)
    assert version("first") == version("same") != version("other")
    (tmp_path / "calls_helper.py").write_text("SIZE = 8\n")
    (tmp_path / "calls_helped.py").write_text(f"import calls_helper\n{CALLS}")
    before = version("helped")
    (tmp_path / "calls_helper.py").write_text("SIZE = 9\n")
    assert version("helped") != before


@pytest.mark.parametrize(
    ("name", "module"),
    [("np.load", "numpy"), ("np.lib.format.open_memmap", "numpy.lib.format"), ("pixels.__call__", None)],
)
def test_a_manifest_calls_no_object_of_another_module(call, name: str, module: str | None) -> None:
    text = error_text(ModelError, with_version, ServingPipeline(call=f"serving_calls:{name}"))
    assert text == (
        f"serving: serving_calls:{name}: got an object of {module}. Allowed: one that serving_calls defines."
    )


def test_the_current_folder_may_have_another_name(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows calls a folder also by its short name, and by the letter of a drive of the network."""
    (tmp_path / "other").symlink_to(Path.cwd())
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "other")
    assert with_version(ServingPipeline(call="serving_calls:pixels")).version


@pytest.mark.parametrize("function", ["os:system", "PIL.Image:open"])
def test_a_manifest_calls_no_installed_code(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = function.partition(":")[0].partition(".")[0]
    text = error_text(ModelError, with_version, ServingPipeline(call=function))
    assert text == (
        f"serving: {function}: a manifest cannot call installed code, got the module '{name}'. "
        f"Allowed: a function of a module in {tmp_path}; write one that calls it."
    )

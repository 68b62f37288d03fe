"""Programs of other runtimes: what ONNX, OpenVINO and TFLite files have in common."""

import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.guides import DOCS
from support.loaded_models import THREE, images, load, message, refusal
from support.onnx_files import export, plain, to_openvino
from support.quick import mostly_slow
from support.tflite_files import write_tflite
from torch import nn

from quba_check.models.kinds import CHECKPOINT
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs.runtime import Graph, ImageInput, Port, load_program
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec


def as_onnx(net: nn.Sequential, folder: Path, **options: bool) -> Path:
    return export(net, folder / "net.onnx", **options)


def as_openvino(net: nn.Sequential, folder: Path, *, half: bool = False, **options: bool) -> Path:
    return to_openvino(as_onnx(net, folder, **options), half=half)


def as_tflite(net: nn.Sequential, folder: Path, *, fixed: bool = False, **options: object) -> Path:
    return write_tflite(net, folder / "net.tflite", **({"batch": 2} if fixed else {}) | options)


WRITERS = {"onnx": as_onnx, "openvino": as_openvino, "tflite": as_tflite}
FORMS = {
    "onnx": (as_onnx, {}, 1e-5, 4 * 127 + 8 * 4),
    "onnx, two": (as_onnx, {"fixed": True}, 1e-5, 4 * 127 + 8 * 4),
    "openvino": (as_openvino, {}, 1e-5, None),
    "openvino, two": (as_openvino, {"fixed": True}, 1e-5, None),
    "openvino, half": (as_openvino, {"half": True}, 0.02, None),
    "tflite": (as_tflite, {}, 1e-6, 4 * 127),
    "tflite, one": (as_tflite, {"batch": 1}, 1e-6, 4 * 127),
    "tflite, two": (as_tflite, {"fixed": True}, 1e-6, 4 * 127),
    "tflite, channels first": (as_tflite, {"channels_last": False}, 1e-6, 4 * 127),
    "tflite, half": (as_tflite, {"half_weights": True}, 1e-3, 2 * 127),
    "tflite, int8": (as_tflite, {"numbers": "int8"}, 0.02, 108 + 12 + 4 * 7),
    "tflite, uint8": (as_tflite, {"numbers": "uint8"}, 0.02, 108 + 12 + 4 * 7),
    "tflite, int8, one": (as_tflite, {"numbers": "int8", "batch": 1}, 0.02, 108 + 12 + 4 * 7),
}
"""For each form its writer and options, the tolerance of its answers, and the bytes of its weights.

Biases of quantised layers have 32 bits. ONNX files have axes and a shape, too."""


@pytest.mark.parametrize(
    "form", mostly_slow(FORMS, ("onnx", "openvino, two", "tflite, half", "tflite, int8, one"))
)
def test_a_program_answers_as_its_network(tmp_path, form):
    write, options, tolerance, weight_bytes = FORMS[form]
    net = plain()
    relative = {as_onnx: 1e-5, as_openvino: 1e-3, as_tflite: 0}[write]
    path = write(net, tmp_path, **options)
    classifier = load(path, THREE, image_size=8)
    for count in (1, 2, 5):
        answers = classifier.raw(images(count))
        before = answers.clone()
        assert (answers.dtype, answers.requires_grad) == (torch.float32, False)
        torch.testing.assert_close(answers, net(images(count)), atol=tolerance, rtol=relative)
        # Batches of other sizes one after another give the same answers, and those of before stay.
        alone = torch.cat([classifier.raw(image[None]) for image in images(count)])
        torch.testing.assert_close(alone, before, atol=0 if write is as_tflite else 1e-6, rtol=0)
        assert torch.equal(answers, before)
    assert (classifier.facts.parameters, classifier.facts.uncounted, classifier.facts.trainable) == (
        127,
        "",
        0,
    )
    assert classifier.facts.weight_bytes == (weight_bytes or path.with_suffix(".bin").stat().st_size)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_page_states_the_noise_of_the_runtimes(tmp_path, kind):
    """For answers of a small float network to images of noise."""
    page = (DOCS / "models.md").read_text("utf-8")
    (noise,) = re.findall(r"probabilities that differ by at\s+most\s+(\S+)\.\s", page)
    expected = plain()(images(200))
    answers = load(WRITERS[kind](plain(), tmp_path), THREE, image_size=8).raw(images(200))
    assert torch.equal(answers.argmax(1), expected.argmax(1))
    assert (answers.softmax(1) - expected.softmax(1)).abs().max() <= float(noise)


def photos(count: int) -> torch.Tensor:
    """Random RGB images, uint8."""
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("kind", WRITERS)
def test_one_channel_is_grey_as_in_pillow(tmp_path, kind):
    net = plain(channels=1)
    options = {} if kind == "tflite" else {"sample": torch.zeros(2, 1, 8, 8)}
    path = WRITERS[kind](net, tmp_path, **options)
    file = PreprocessingConfig({"mean": (0.5,), "std": (0.25,)}, "prep.yaml", departs=True)
    classifier = load(path, THREE, image_size=8, preprocessing=file)
    assert classifier.preprocessing.describe() == "8 × 8, grey, bicubic, crop 1, mean 0.5, std 0.25"
    greys = [Image.fromarray(one.permute(1, 2, 0).numpy()).convert("L") for one in photos(5)]
    pixels = torch.stack([torch.from_numpy(np.array(one)) for one in greys])[:, None].float() / 255
    expected = net((pixels - 0.5) / 0.25)
    torch.testing.assert_close(classifier.raw(classifier.inputs(photos(5))), expected, atol=1e-5, rtol=1e-5)


class OfPixels(nn.Module):
    """A network of pixels from 0 to 255, as uint8."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return class scores."""
        return self.net((pixels.float() / 255 - 0.5) / 0.25)


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_uint8_inputs_take_pixels_as_they_are(tmp_path, kind):
    net = OfPixels(plain())
    path = WRITERS[kind](net, tmp_path, sample=torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    classifier = load(path, THREE, image_size=8)
    answers = classifier.raw(classifier.inputs(photos(5)))
    torch.testing.assert_close(answers, net(photos(5)), atol=1e-5, rtol=1e-5)
    file = PreprocessingConfig({"mean": (0.5, 0.5, 0.5)}, "prep.yaml", departs=True)
    assert refusal(path, THREE, preprocessing=file) == (
        f"{path.name}: takes pixels as uint8, but the preprocessing file states mean or std. Leave them out."
    )


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_known_of_a_program(tmp_path, kind, snapshot):
    path = WRITERS[kind](plain(), tmp_path, fixed=True)
    classifier = load(path, THREE, image_size=16)
    assert classifier.name == "net"
    assert classifier.preprocessing.input_size == (3, 8, 8)
    notes = [note.replace(f"{tmp_path}/", "") for note in classifier.notes]
    assert "\n".join([classifier.no_gradient, *notes]) == snapshot
    assert classifier.facts.file_bytes == sum((tmp_path / file).stat().st_size for file in classifier.files)
    (tmp_path / "moved").mkdir()
    for file in classifier.files:
        (tmp_path / file).rename(tmp_path / "moved" / file)
    moved = load(tmp_path / "moved" / path.name, THREE, image_size=16)
    assert (moved.fingerprint, moved.checksum) == (classifier.fingerprint, classifier.checksum)
    other = load(WRITERS[kind](plain(), tmp_path), THREE, image_size=16)
    assert other.fingerprint != classifier.fingerprint
    assert other.checksum != classifier.checksum


INPUTS = (
    [("x", "tensor(int64)", ("n", 3, 8, 8))],
    [("x", "tensor(float)", ("n", 192))],
    [("x", "tensor(float)", ("n", 2, 8, 8))],
    [("x", "f32", ("n", 8, 8, 4))],
    [("x", "int8", (1, 8, 8, 3))],
    [("images", "tensor(float)", ("n", 3, 8, 8)), ("mask", "tensor(float)", ("n", 3))],
)


def test_inputs_that_take_no_images(snapshot):
    spec = ModelSpec("net.onnx", CHECKPOINT, "net")
    request = LoadRequest()
    texts = [
        message(load_program, spec, request, Graph(None, [Port(*port) for port in ports], [], "", "", ()))
        for ports in INPUTS
    ]
    assert "\n".join(texts) == snapshot


def test_packages_that_are_not_installed(tmp_path, monkeypatch, snapshot):
    packages = {
        "onnx": "onnx",
        "onnxruntime": "onnx",
        "openvino": "openvino",
        "ai_edge_litert.interpreter": "tflite",
    }
    paths = [WRITERS[kind](plain(), tmp_path) for kind in packages.values()]
    texts = []
    for package, path in zip(packages, paths, strict=True):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            texts.append(refusal(path))
    assert texts[0] == (
        "net.onnx: an ONNX model needs onnx, which is not installed. "
        'Install it: pip install "quba-check[onnx]".'
    )
    assert "\n".join(texts) == snapshot


def test_files_of_other_kinds(tmp_path):
    archive = tmp_path / "archive"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model", b"TFL3")
    (tmp_path / "net.bin").write_bytes(b"")
    contents = (
        b"",
        b"no model at all",
        archive.read_bytes(),
        b"<html><body/></html>",
        b"<?xml version='1.0'?><a/>",
    )
    for name, kind in {
        "net.onnx": "an ONNX file",
        "net.tflite": "a TFLite file",
        "net.xml": "an OpenVINO model",
    }.items():
        for content in contents:
            (tmp_path / name).write_bytes(content)
            assert refusal(tmp_path / name) == f"{name}: is not {kind}, or is damaged."


@given(
    st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3),
    st.sampled_from([torch.int8, torch.uint8]),
    st.floats(0.01, 1),
    st.integers(-20, 20),
)
def test_quantised_numbers_are_the_nearest(values, dtype, scale, zero_point):
    images = torch.tensor(values).view(1, 3, 1, 1)
    encoded = ImageInput(dtype, scale=scale, zero_point=zero_point).encode(images)
    assert encoded.dtype == dtype
    limits = torch.iinfo(dtype)
    low, high = ((end - zero_point) * scale for end in (limits.min, limits.max))
    decoded = (encoded.double() - zero_point) * scale
    # The nearest number of the grid: at most half a step away, after clipping to its ends.
    assert (decoded - images.double().clamp(low, high)).abs().max() <= scale / 2 + 1e-9

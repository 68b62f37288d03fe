import importlib
import io
import zipfile
from functools import partial

import pytest
import timm
import torch
from support.loaded_models import load as load_model
from support.loaded_models import refusal, size
from torch import nn
from torch.export import Dim

IMAGES = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
DYNAMIC = ({0: Dim.DYNAMIC},)
DEFAULTS = "interpolation, mean, std, crop_pct: the suite's defaults"


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout())
        self.head = nn.Linear(4, 10)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))


def export(path, model, images, shapes=DYNAMIC):
    torch.export.save(torch.export.export(model, (images,), dynamic_shapes=shapes), path)
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return export(tmp_path_factory.mktemp("program") / "net.pt2", Small().eval(), IMAGES)


load = partial(load_model, image_size=32, trust_pickle=True)


refused = partial(refusal, trust_pickle=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_programs_answer_as_their_model_does(name, tmp_path):
    torch.manual_seed(0)
    options = {"img_size": 64} if name == "test_vit" else {}
    model = timm.create_model(name, num_classes=10, **options).eval()
    path = export(tmp_path / "net.pt2", model, IMAGES)
    classifier = load(path)
    images = IMAGES.clone().requires_grad_()
    answers = classifier.raw(images)
    assert torch.allclose(answers, model(IMAGES), atol=1e-4)
    (gradient,) = torch.autograd.grad(answers.sum(), images)
    (theirs,) = torch.autograd.grad(model(images).sum(), images)
    assert torch.allclose(gradient, theirs, atol=1e-4)
    assert classifier.facts.parameters == size(model)
    assert classifier.preprocessing.input_size == (3, 64, 64)
    assert classifier.preprocessing.source == f"{path} ({DEFAULTS})"
    assert load(path).fingerprint == classifier.fingerprint
    classifier.guard().check("clean")
    classifier.guard().check_state()


@pytest.mark.parametrize(
    ("images", "shapes", "note"),
    [(IMAGES[:1], None, True), (IMAGES[:3], None, True), (IMAGES[:2], ({0: Dim("b", min=2, max=3)},), False)],
)
def test_a_fixed_or_limited_batch_is_served_in_portions(tmp_path, images, shapes, note):
    model = Small().eval()
    path = export(tmp_path / "net.pt2", model, images, shapes)
    classifier = load(path)
    for count in (1, 2, 5):
        assert torch.allclose(classifier.raw(IMAGES[:count]), model(IMAGES[:count]), atol=1e-5)
    slow_note = (
        f"{path} was exported for {len(images)} images at a time, so batches have that size; "
        "exported with a dynamic batch it would be faster"
    )
    assert (slow_note in classifier.notes) == note


def test_a_program_of_any_size_takes_the_suites(tmp_path):
    sides = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    path = export(tmp_path / "net.pt2", Small().eval(), IMAGES, (sides,))
    assert load(path).preprocessing.input_size == (3, 32, 32)


def test_train_mode_is_refused(tmp_path, snapshot):
    path = export(tmp_path / "net.pt2", Small().train(), IMAGES)
    assert refused(path) == snapshot


def test_other_inputs_and_files_are_refused(tmp_path, snapshot):
    path = export(tmp_path / "net.pt2", nn.Linear(2, 2), torch.rand(3, 2), None)
    assert refused(path) == snapshot
    unreadable = f"net.pt2: cannot be read as an exported program of torch {torch.__version__}: "
    path.write_bytes(b"no archive")
    assert refused(path).startswith(unreadable)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/archive_format", "pt2")
    assert refused(path).startswith(unreadable)


class Evil:
    def __reduce__(self):
        images = "__import__('torch').zeros(2, 3, 64, 64)"
        return (eval, (f"__import__('os').mkdir('trap') or (({images},), {{}})",))


def with_evil_pickle(program, path):
    buffer = io.BytesIO()
    torch.save(Evil(), buffer)
    with zipfile.ZipFile(program) as theirs, zipfile.ZipFile(path, "w") as ours:
        for name in theirs.namelist():
            evil = name.endswith("data/sample_inputs/model.pt")
            ours.writestr(name, buffer.getvalue() if evil else theirs.read(name))
    return path


def test_nothing_of_it_is_read_without_the_option(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = with_evil_pickle(program, tmp_path / "net.pt")
    for path in (program, evil):
        assert refusal(path) == (
            f"{path.name}: is an exported program, which can run code when it is read; nothing of it was "
            "run. Give TorchScript (torch.jit.save), ONNX, or the state dict with --quba-arch, or, if you "
            "trust whoever made the file: --quba-trust-pickle."
        )
    assert not (tmp_path / "trap").exists()
    load(evil)
    assert (tmp_path / "trap").exists()


class Hidden(nn.Module):
    """A network with most of its weights outside of its parameters."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.constant = torch.randn(3, 20)
        self.register_buffer("weight", torch.randn(20, 10))
        self.register_buffer("index", torch.arange(10))

    def forward(self, x):
        return (self.norm(x).mean((2, 3)) @ self.constant @ self.weight)[:, self.index]


def test_weights_outside_of_its_parameters_are_counted(tmp_path, snapshot):
    path = export(tmp_path / "net.pt2", Hidden().eval(), IMAGES)
    classifier = load(path)
    assert classifier.facts.parameters == 6 + 60 + 200
    # With the statistics, the counter and the index.
    assert classifier.facts.weight_bytes == 4 * (6 + 60 + 200 + 6) + 8 * (1 + 10)
    assert classifier.notes[0] == (
        f"parameters counts 260 numbers that {path} holds as constants or buffers, too"
    )
    path = export(tmp_path / "net.pt2", nn.Sequential(nn.AvgPool2d(64), nn.Flatten()).eval(), IMAGES)
    assert refused(path) == snapshot


class Dynamic(Small):
    """Its features are quantised with a scale that depends on the whole batch."""

    def forward(self, x):
        operators = torch.ops.quantized_decomposed
        features = self.stem(x).mean((2, 3))
        limits = (-128, 127, torch.int8)
        scale, zero = operators.choose_qparams(features, -128, 127, 1e-6, torch.int8)
        codes = operators.quantize_per_tensor.tensor(features, scale, zero, *limits)
        return self.head(operators.dequantize_per_tensor.tensor(codes, scale, zero, *limits))


def test_a_dynamically_quantised_program_gets_single_images(tmp_path):
    importlib.import_module("torch.ao.quantization.fx._decomposed")  # registers the operators
    classifier = load(export(tmp_path / "net.pt2", Dynamic().eval(), IMAGES))
    assert classifier.takes_single_images
    alone = torch.cat([classifier.raw(image[None]) for image in IMAGES])
    assert torch.equal(classifier.raw(IMAGES), alone)

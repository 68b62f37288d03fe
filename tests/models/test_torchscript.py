from __future__ import annotations

import warnings

import pytest
import timm
import torch

from quba_check.errors import ModelError
from quba_check.models.specs import load_classifier

TEN = tuple("abcdefghij")
IMAGES = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", autouse=True)
def _deprecated():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = timm.create_model("test_resnet", num_classes=10)
    made(torch.rand(8, 3, 64, 64))  # running statistics of its own
    return made.eval()


def scripted(model):
    return torch.jit.script(model.train())


def traced(model):
    return torch.jit.trace(model.eval(), IMAGES[:1])


def frozen(model):
    return torch.jit.freeze(torch.jit.script(model.eval()))


def load(path):
    return load_classifier(str(path), classes=TEN, image_size=64, device="cpu")


def quiet(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*args)


@pytest.mark.parametrize("make", [scripted, traced, frozen])
def test_programs_answer_as_their_model_does(make, model, tmp_path):
    path = tmp_path / "net.pt"
    quiet(make, model).save(path)
    expected = model.eval()(IMAGES)
    classifier = load(path)
    images = IMAGES.clone().requires_grad_()
    answers = classifier.raw(images)
    assert torch.allclose(answers, expected, atol=1e-4)
    (gradient,) = torch.autograd.grad(answers.sum(), images)
    (theirs,) = torch.autograd.grad(model(images).sum(), images)
    assert torch.allclose(gradient, theirs, atol=1e-4)
    assert classifier.preparation.source == "the suite's defaults"
    guard = classifier.guard()
    guard.check("clean")
    guard.check_state()


def test_parameters_are_counted(model, tmp_path):
    count = sum(parameter.numel() for parameter in model.parameters())
    quiet(traced, model).save(tmp_path / "net.pt")
    assert load(tmp_path / "net.pt").parameters == count
    quiet(frozen, model).save(tmp_path / "frozen.pt")
    classifier = load(tmp_path / "frozen.pt")
    assert 0.9 * count < classifier.parameters < 1.1 * count
    assert classifier.notes[0] == (
        f"{tmp_path}/frozen.pt is frozen: parameters counts the {classifier.parameters:,} numbers of its "
        "constants"
    )


class Scaled(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(12, 10)
        self.scale = scale

    def forward(self, x):
        return self.layer(x.flatten(1)) * self.scale


def test_the_fingerprint_sees_the_program(tmp_path):
    prints = {}
    for name, scale in (("a", 1.0), ("b", 2.0)):
        quiet(torch.jit.trace, Scaled(scale), torch.zeros(1, 3, 2, 2)).save(tmp_path / f"{name}.pt")
        prints[name] = [load(tmp_path / f"{name}.pt").fingerprint for _ in range(2)]
    assert prints["a"][0] == prints["a"][1] != prints["b"][0]


def test_a_trace_in_train_mode_is_refused(model, tmp_path):
    path = tmp_path / "net.pt"
    quiet(lambda: torch.jit.trace(model.train(), torch.rand(2, 3, 64, 64), check_trace=False)).save(path)
    with pytest.raises(ModelError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path}: was traced in train mode (aten::batch_norm), which eval mode cannot change. "
        "Trace it again after model.eval()."
    )


def test_a_program_without_weights(tmp_path):
    quiet(torch.jit.trace, torch.nn.Flatten(), torch.zeros(1, 3, 2, 2)).save(tmp_path / "net.pt")
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "net.pt")
    assert str(caught.value) == (
        f"{tmp_path}/net.pt: holds no weights that can be counted, as quantised programs do not. "
        "Give the model as it was before, or package.module:callable."
    )


def test_a_damaged_program(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/constants.pkl", "x")
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "net.pt")
    assert str(caught.value).startswith(
        f"{tmp_path}/net.pt: cannot be read as a TorchScript program (RuntimeError: "
    )

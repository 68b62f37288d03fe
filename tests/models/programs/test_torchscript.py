import zipfile
from functools import partial

import pytest
import timm
import torch
from support.loaded_models import load as load_model
from support.loaded_models import refusal, size

pytestmark = pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated, and warns of traces
IMAGES = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=10)
    model(torch.rand(8, 3, 64, 64))  # running statistics of its own
    return model.eval()


def scripted(model):
    return torch.jit.script(model.train())


def traced(model):
    return torch.jit.trace(model.eval(), IMAGES[:1])


def frozen(model):
    return torch.jit.freeze(torch.jit.script(model.eval()))


load = partial(load_model, image_size=64)


@pytest.mark.parametrize("make", [scripted, traced, frozen])
def test_programs_answer_as_their_model_does(make, model, tmp_path):
    path = tmp_path / "net.pt"
    make(model).save(path)
    expected = model.eval()(IMAGES)
    classifier = load(path)
    images = IMAGES.clone().requires_grad_()
    answers = classifier.raw(images)
    assert torch.allclose(answers, expected, atol=1e-4)
    (gradient,) = torch.autograd.grad(answers.sum(), images)
    (theirs,) = torch.autograd.grad(model(images).sum(), images)
    assert torch.allclose(gradient, theirs, atol=1e-4)
    assert classifier.preprocessing.source == "the suite's defaults"
    classifier.guard().check("clean")
    classifier.guard().check_state()


def test_parameters_are_counted(model, tmp_path):
    count = size(model)
    path = tmp_path / "net.pt"
    traced(model).save(path)
    classifier = load(path)
    assert classifier.facts.parameters == count
    assert classifier.facts.weight_bytes == sum(tensor.nbytes for tensor in model.state_dict().values())
    assert classifier.facts.file_bytes == path.stat().st_size
    frozen(model).save(path)
    classifier = load(path)
    assert 0.9 * count < classifier.facts.parameters < 1.1 * count
    assert (
        4 * classifier.facts.parameters <= classifier.facts.weight_bytes <= 4.1 * classifier.facts.parameters
    )
    assert classifier.notes[0] == (
        f"{path} is frozen: parameters counts the {classifier.facts.parameters:,} numbers of its constants"
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
        torch.jit.trace(Scaled(scale), torch.zeros(1, 3, 2, 2)).save(tmp_path / f"{name}.pt")
        prints[name] = [load(tmp_path / f"{name}.pt").fingerprint for _ in range(2)]
    assert prints["a"][0] == prints["a"][1] != prints["b"][0]


def test_a_trace_in_train_mode_is_refused(model, tmp_path, snapshot):
    path = tmp_path / "net.pt"
    torch.jit.trace(model.train(), torch.rand(2, 3, 64, 64), check_trace=False).save(path)
    assert refusal(path) == snapshot


def test_programs_that_hold_no_model(tmp_path, snapshot):
    path = tmp_path / "net.pt"
    torch.jit.trace(torch.nn.Flatten(), torch.zeros(1, 3, 2, 2)).save(path)
    assert refusal(path) == snapshot
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/constants.pkl", "x")
    assert refusal(path) == "net.pt: is not a TorchScript program, or is damaged."


def edited(path, target, edit):
    """A copy of an archive in which the texts, and the names of files, are others."""
    with zipfile.ZipFile(path) as theirs, zipfile.ZipFile(target, "w") as ours:
        for name in theirs.namelist():
            if not name.endswith("debug_pkl"):
                is_text = name.endswith((".py", "data.pkl"))
                content = theirs.read(name)
                ours.writestr(
                    edit(name), edit(content.decode("latin-1")).encode("latin-1") if is_text else content
                )
    return target


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "net.pt"
    torch.jit.script(Scaled(1.0)).save(path)
    return path


def statement(line):
    return lambda text: text.replace("layer = self.layer", f"{line}\n    layer = self.layer")


def method(line):
    other = f"  def other(self) -> Tensor:\n    {line}\n"
    return lambda text: text.replace("  def forward", f"{other}  def forward")


def argument(value):
    return lambda text: text.replace("x: Tensor)", f"x: Tensor, y: Tensor={value})")


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (statement("torch.save(x, 'trap')"), "save"),
        (statement("(torch . # here\n save(x, 'trap'))"), "save"),
        (statement("getattr(torch, 'sa' 've')(x, 'trap')"), "save"),
        (statement("getattr(torch, 'sa' # here\n  '' \"ve\")(x, 'trap')"), "' #"),
        (statement("getattr(torch, 'sa' '' \\\n \"ve\")(x, 'trap')"), "save"),
        (statement("getattr(torch, '\\163ave')(x, 'trap')"), "save"),
        (statement("getattr(torch, '\\x73ave')(x, 'trap')"), "save"),
        (statement("getattr(torch, 'sa\\\nve')(x, 'trap')"), "save"),
        (statement("y = torch\n    y.save(x, 'trap')"), "save"),
        (statement("ops.aten.save(x, 'trap')"), "save"),
        (statement("y = ops\n    y.image.write_file('trap', x)"), "ops"),
        (statement("ops.image.write_file('trap', x)"), "ops.image.write_file"),
        (statement("ops . image.write_file('trap', x)"), "ops"),
        (statement("ops.prim.PythonOp()"), "PythonOp"),
        (statement("y = __torch__.torch\n    z = y.classes"), "__torch__.torch"),
        (statement("y = __torch__"), "__torch__"),
        (argument("torch.from_file('trap', True, 3)"), "from_file"),
        (method("return torch.from_file('trap')"), "from_file"),
    ],
)
def test_operators_that_reach_files_are_refused(small, tmp_path, monkeypatch, edit, word):
    monkeypatch.chdir(tmp_path)
    path = edited(small, tmp_path / "net.pt", edit)
    assert refusal(path) == (
        f"net.pt: its program could reach files, got '{word}'; nothing of it was run. "
        "Allowed: operators of aten, prim, quantized, torchvision that only compute. Save the model without "
        "it, or, if you trust whoever made the file: --quba-trust-pickle."
    )
    assert not (tmp_path / "trap").exists()


def test_they_run_for_those_who_trust_the_file(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edit = argument("torch.from_file('trap', True, 3)")
    load(edited(small, tmp_path / "net.pt", edit), trust_pickle=True)
    assert (tmp_path / "trap").exists()


class Branching(Scaled):
    def forward(self, x):
        if x.sum() > 0:
            for _ in range(2):
                torch.save(x, "trap")
        return self.layer(x.flatten(1))


def test_an_operator_in_a_branch_of_a_submodule(tmp_path):
    path = tmp_path / "net.pt"
    torch.jit.script(torch.nn.Sequential(Branching(1.0))).save(path)
    assert "could reach files, got 'save'" in refusal(path)


def test_names_of_torchvisions_modules_are_no_operators(small, tmp_path):
    def moved(text):
        text = text.replace("__torch__/torch/nn", "__torch__/torchvision/ops/torch/nn")
        return text.replace("__torch__.torch.nn", "__torch__.torchvision.ops.torch.nn")

    assert load(edited(small, tmp_path / "net.pt", moved)).facts.parameters == 130


def test_programs_that_torch_would_misread(small, tmp_path, snapshot):
    old = edited(small, tmp_path / "old.pt", lambda text: text)
    with zipfile.ZipFile(old, "a") as archive:
        archive.writestr("net/model.json", "{}")
    text = "old.pt: is a TorchScript program of a torch before 1.4. Save it again with a newer one."
    assert refusal(old) == text
    for other in ("rnn.Cell", "quantized_too.Cell", "xnnpack.Context"):
        text = statement(f"y : __torch__.torch.classes.{other} = x")
        path = edited(small, tmp_path / "net.pt", text)
        assert refusal(path) == snapshot


class Hidden(torch.nn.Module):
    """A network with most of its weights outside of its parameters."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)
        self.attribute = torch.randn(3, 20)
        self.several = [torch.randn(20, 5), torch.randn(5, 10)]
        self.register_buffer("weight", torch.randn(10, 10))
        self.register_buffer("index", torch.arange(10))

    def forward(self, x):
        x = self.norm(x).mean((2, 3)) @ self.attribute
        for weight in self.several:
            x = x @ weight
        return ((x @ self.weight) * torch.tensor([0.5] * 9 + [0.25]))[:, self.index]


class Listed(torch.nn.Module):
    def forward(self, x):
        scale = torch.tensor([0.5, 0.25, 0.5, 0.25, 0.5, 0.25, 0.5, 0.25, 0.5, 0.125])
        return x.flatten(1)[:, :10] * scale


def test_weights_outside_of_the_parameters_are_counted(tmp_path):
    path = tmp_path / "net.pt"
    model = Hidden().eval()
    torch.jit.trace(model, torch.zeros(2, 3, 2, 2)).save(path)
    classifier = load(path)
    others = 60 + 100 + 50 + 100 + 10
    assert classifier.facts.parameters == 6 + others
    assert classifier.notes[0] == (
        f"parameters counts {others} numbers that {path} holds as constants or buffers, too"
    )
    torch.jit.script(model).save(path)
    assert load(path).facts.parameters >= 6 + 60 + 100 + 50 + 100
    torch.jit.script(Listed()).save(path)
    assert load(path).facts.parameters == 10

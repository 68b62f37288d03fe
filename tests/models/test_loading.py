from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import save_file
from support.loaded_models import OR_CODE, TEN, load, message, refusal
from torch import nn

from quba_check.models.compute import PLAIN, RULE, ComputeSettings
from quba_check.models.loading import load_classifier
from quba_check.models.preprocessing.config import PreprocessingConfig

ARCH = "mobilenetv3_small_050"
FULL = {
    "input_size": (3, 2, 2),
    "mean": (0, 0, 0),
    "std": (1, 1, 1),
    "interpolation": "nearest",
    "crop_pct": 1,
}


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return timm.create_model(ARCH, num_classes=10).state_dict()


@pytest.fixture
def checkpoint(state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(state, tmp_path / "net.pt")
    return tmp_path / "net.pt"


def test_a_state_dict_becomes_a_classifier(checkpoint, state):
    classifier = load("net.pt", arch=ARCH)
    assert (classifier.spec, classifier.name, classifier.head.classes) == ("net.pt", "net", 10)
    assert (str(classifier.device), classifier.compute.precision, classifier.outputs) == ("cpu", "fp32", None)
    assert classifier.preprocessing.source == f"timm's {ARCH}"
    assert not any(part.training for part in classifier.module.modules())
    parameters = list(classifier.module.parameters())
    assert classifier.facts.parameters == classifier.facts.trainable == sum(p.numel() for p in parameters)
    assert not any(p.requires_grad for p in parameters)
    assert classifier.facts.weight_bytes == sum(tensor.nbytes for tensor in state.values())
    assert classifier.facts.file_bytes == checkpoint.stat().st_size
    assert torch.equal(classifier.module.state_dict()["classifier.bias"], state["classifier.bias"])
    assert classifier.raw(torch.zeros(2, 3, 64, 64)).shape == (2, 10)
    classifier.guard().check_state()


def test_equal_weights_have_equal_fingerprints_wherever_they_are_stored(checkpoint, state, tmp_path):
    first = load("net.pt", arch=ARCH)
    save_file(state, tmp_path / "other.safetensors")
    assert load("other.safetensors", arch=ARCH).fingerprint == first.fingerprint
    assert load("net.pt", arch=f"{ARCH}.lamb_in1k").fingerprint == first.fingerprint
    changed = {name: tensor.clone() for name, tensor in state.items()}
    changed["classifier.bias"][0] += 1e-3
    torch.save(changed, tmp_path / "changed.pt")
    assert load("changed.pt", arch=ARCH).fingerprint != first.fingerprint


def test_no_architecture(checkpoint, tmp_path):
    problem = "holds weights alone, so name their architecture in timm, --quba-arch=NAME, or"
    assert refusal("net.pt") == f"net.pt: {problem} {OR_CODE}"
    path = checkpoint.rename(tmp_path / f"{ARCH}.pt")
    assert refusal(path) == f"{path.name}: {problem} {OR_CODE} Its keys fit --quba-arch={ARCH}."


@pytest.fixture(autouse=True)
def _short_search(monkeypatch):
    """Search near names alone: all of them would take seconds."""
    monkeypatch.setattr("quba_check.models.checkpoints.timm_architectures.POPULAR", ())


def test_keys_that_do_not_fit(checkpoint):
    assert refusal("net.pt", arch="mobilenetv3_small_075") == (
        "net.pt: its keys do not fit mobilenetv3_small_075: 192 of another shape "
        "(blocks.0.0.conv_pw.weight (8, 16, 1, 1) instead of (16, 16, 1, 1), "
        "blocks.0.0.bn2.weight (8,) instead of (16,), blocks.0.0.bn2.bias (8,) instead of (16,) "
        "and 189 more). "
        f"Did you mean --quba-arch={ARCH}?"
    )


def test_keys_that_fit_nothing_near(state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({f"module.{name}": tensor for name, tensor in state.items() if "bn" not in name}, "net.pt")
    text = refusal("net.pt", arch=ARCH)
    assert text.startswith(f"net.pt: its keys without 'module.' do not fit {ARCH}: ")
    assert "missing (bn1.weight, bn1.bias, bn1.running_mean and " in text
    assert text.endswith(f" more). For a model that timm lacks, {OR_CODE}")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"arch": "qqqqqqqqqq"}, "--quba-arch: unknown architecture 'qqqqqqqqqq'. "),
        ({"device": "tpu"}, "--quba-device: got 'tpu'."),
        ({"precision": "fp8"}, "--quba-precision: got 'fp8'."),
    ],
)
def test_options_are_checked_before_the_file_is_read(options, text, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"not read")
    assert refusal(tmp_path / "net.pt", **options).startswith(text)


def test_another_image_size_than_the_suites_is_noted(checkpoint):
    assert load("net.pt", arch=ARCH, image_size=224).notes == ()
    assert load("net.pt", arch=ARCH, image_size=64).notes == (
        f"images are prepared at 224 × 224 as timm's {ARCH} states, not at the suite's 64 × 64",
    )


def test_half_precision_weights_become_float32_with_a_note(checkpoint, state, tmp_path, zoo):
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 10)).half()
    net.quba_config = FULL | {"outputs": "logits"}
    net[1].bias.requires_grad_(False)
    classifier = load(zoo(net))
    assert classifier.notes == ("weights were converted from float16 to float32",)
    assert (classifier.facts.weight_bytes, classifier.facts.file_bytes) == (2 * 130, None)
    torch.save({name: tensor.half() for name, tensor in state.items()}, tmp_path / "half.pt")
    assert load("half.pt", arch=ARCH).facts.weight_bytes == 2 * sum(
        tensor.numel() for tensor in state.values()
    )
    assert classifier.module[1].weight.dtype == torch.float32
    assert classifier.raw(torch.zeros(1, 3, 2, 2)).shape == (1, 10)
    assert (classifier.facts.parameters, classifier.facts.trainable) == (130, 120)
    assert (classifier.outputs, classifier.name) == ("logits", "zoo:model")


def test_a_module_without_a_config_gets_the_suites_defaults(zoo, snapshot):
    assert load(zoo(nn.Linear(2, 2)), image_size=2).notes == snapshot


@pytest.mark.parametrize("outputs", [{"outputs": "sigmoids"}, {}])
def test_demo_models_and_the_outputs_that_a_module_states(monkeypatch, outputs):
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))
    module.quba_config = FULL | outputs
    asked = []
    monkeypatch.setattr("quba_check.demo.network.demo_module", lambda name: asked.append(name) or module)
    classifier = load("demo-textured")
    assert asked == ["demo-textured"]
    assert (classifier.name, classifier.facts.parameters) == ("demo-textured", 130)
    assert (classifier.compute.reason, classifier.may_change_compute) == (
        "the demo runs on the plain path",
        False,
    )
    assert classifier.outputs == outputs.get("outputs")


class Odd(nn.Module):
    def __init__(self, tensor):
        super().__init__()
        self.register_parameter("weight", tensor)


ODD = {
    "sparse": nn.Parameter(torch.eye(2).to_sparse()),
    "meta": nn.Parameter(torch.empty(2, device="meta")),
    "uninitialised": nn.UninitializedParameter(),
}


@pytest.mark.parametrize("form", ODD)
def test_tensors_of_a_module_that_cannot_be_computed_with(form, zoo):
    text = refusal(zoo(Odd(ODD[form])))
    assert text == f"zoo:model: its tensor 'weight' is {form}. Allowed: dense tensors of numbers."


class Leaving(nn.Linear):
    @property
    def quba_config(self):
        raise SystemExit(0)


class Large(nn.Linear):
    def eval(self):
        raise MemoryError


def test_whatever_a_module_raises_while_it_is_loaded(zoo, snapshot):
    assert refusal(zoo(Leaving(2, 2))) == "zoo:model: loading it raised SystemExit: 0"
    assert refusal(zoo(Large(2, 2))) == snapshot


def test_compute_settings_follow_the_rule_unless_they_are_stated(checkpoint):
    auto = load("net.pt", arch=ARCH)
    rule = ComputeSettings(channels_last=True, requested="auto", reason=RULE)
    assert (auto.compute, auto.may_change_compute) == (rule, True)
    stated = load("net.pt", arch=ARCH, precision="fp32")
    assert (stated.compute, stated.may_change_compute) == (PLAIN, False)
    compiled = load("net.pt", arch=ARCH, precision="bf16", runtime="compile")
    assert compiled.compute == ComputeSettings("bf16", runtime="compile", requested="bf16")


def test_a_runtime_for_other_passes_is_noted(checkpoint):
    classifier = load("net.pt", arch=ARCH, precision="bf16", runtime="openvino")
    assert classifier.compute.runtime == "torch"
    expected = "net.pt: --quba-runtime=openvino has no effect on passes in bf16 on cpu. It is for fp32 on cpu"
    assert expected in classifier.notes


class Answers(nn.Module):
    """A network that returns its scores within other values."""

    quba_config = FULL

    def __init__(self, within):
        super().__init__()
        self.linear = nn.Linear(12, 10)
        self.within = within

    def forward(self, images):
        return self.within(self.linear(images.flatten(1)))


@pytest.mark.parametrize(
    ("within", "note"),
    [
        (lambda scores: (scores, None), "the first of 2 outputs is used"),
        (lambda scores: [scores, scores, scores], "the first of 3 outputs is used"),
        (lambda scores: {"features": None, "logits": scores}, "the output 'logits' is used"),
        (lambda scores: SimpleNamespace(logits=scores), "the output 'logits' is used"),
    ],
)
@pytest.mark.parametrize("runtime", ["torch", "compile"])
def test_scores_within_other_outputs(within, note, runtime, zoo):
    network = Answers(within)
    classifier = load(zoo(network), runtime=runtime)
    images = torch.rand(3, 3, 2, 2)
    torch.testing.assert_close(classifier.raw(images), network.linear(images.flatten(1)))
    assert note in classifier.notes
    alone = load(zoo(Answers(lambda scores: scores)))
    alone.raw(images)
    assert not any("used" in one for one in alone.notes)


@pytest.mark.parametrize("config", ["file", "quba_config"])
def test_ignored_outputs_are_no_classes(config, zoo):
    network = Answers(lambda scores: scores)
    ignore = {"ignore": (0, 9)}
    file = PreprocessingConfig(ignore, "prep.yaml", departs=True) if config == "file" else None
    network.quba_config = FULL if file else FULL | ignore
    classifier = load(zoo(network), TEN[:8], preprocessing=file)
    assert classifier.head.columns == tuple(range(1, 9))
    assert load_classifier(classifier.spec, classifier.request).head == classifier.head  # as by a worker
    assert "answers are restricted to 8 of the model's 10 classes" in classifier.notes
    scores = classifier.raw(images := torch.rand(3, 3, 2, 2))
    assert torch.equal(classifier.select_classes(scores), network.linear(images.flatten(1))[:, 1:9])
    assert refusal(zoo(network), TEN[:5], preprocessing=file) == (
        "zoo:model: ignore names no output, got [0, 9]. Allowed: positions from 0 to 6 (2 ignored and the 5 "
        "of the suite's classes)."
    )


def test_one_output_more_than_classes(zoo):
    classifier = load(zoo(Answers(lambda scores: scores)), TEN[:9])
    assert message(classifier.raw, torch.rand(3, 3, 2, 2)) == (
        "zoo:model: the model gives 10 numbers per image, the suite has 9 classes. Give a model of 9 "
        "classes. If one output is no class, such as background as the first, state ignore: [0] in the file "
        "of --quba-preprocessing."
    )


def test_a_half_model_with_running_statistics_stays_as_loaded(zoo):
    network = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))
    stored = sum(tensor.nbytes for tensor in network.half().state_dict().values())
    classifier = load(zoo(network))
    assert "weights were converted from float16 to float32" in classifier.notes
    assert classifier.facts.weight_bytes == stored
    classifier.guard().check_state()

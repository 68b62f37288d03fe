"""`quba-check published reproduce`: a published model measured on a tiny ImageNet, and mistakes."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cli.conftest import Run
from support import published_layout as layout
from support.evaluations import new_evaluation
from support.tiny import write_suite
from syrupy.assertion import SnapshotAssertion
from timm.data import ImageNetInfo

from quba_check.cli.published.reproduce import _architecture
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.measurement import Outcome
from quba_check.errors import InvariantError
from quba_check.evaluation import Evaluation
from quba_check.grading import published_models
from quba_check.models.checkpoints import timm_architectures

SPEC = "support.published_layout:network"
DEIT = next(model for model in published_models() if model.id == "DeiT-b")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published layout without ImageNet-C and ImageNet-R, with one clean image per class."""
    root = tmp_path_factory.mktemp("small")
    painter = layout._Painter()
    wnids = ImageNetInfo("imagenet-1k").label_names()
    for k, wnid in enumerate(wnids):
        painter.paint(root / "imagenet" / "val" / wnid / "0.JPEG", [k], 0.9)
    layout._write_categories(root / "modelvshuman", painter)
    for name, spread in (("mixed_same", 0.7), ("mixed_rand", 1.1)):
        for folder, k in layout.NINE.items():
            for number in range(2):
                path = root / "bg_challenge" / name / "val" / folder / f"fg_{number}.png"
                painter.paint(path, [k], spread)
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def run(run: Run) -> Callable[..., tuple[int, str, str]]:
    return lambda *words: run(shlex.join(["published", "reproduce", *map(str, words)]))


@pytest.fixture
def measured(run, tree: Path, store: Path) -> Callable[..., tuple[int, str, str]]:
    """Run the command on the tree with a model that half knows its classes."""
    return lambda *words: run(*words, "--model", SPEC, "--data", tree, "--store", store, "--device", "cpu")


@pytest.mark.slow
def test_values_are_those_of_evaluations(measured, tree: Path, store: Path) -> None:
    code, out, _ = measured("DeiT-b", "--limit", 60, "--format", "json")
    content = json.loads(out)
    assert code == 0
    assert (content["id"], content["timm"]) == ("DeiT-b", DEIT.timm)
    for protocol in ("released", "standard"):
        evaluation = new_evaluation(SPEC, tree, protocol=protocol, store=store, device="cpu", limit=60)
        for name in ("accuracy", "adversarial_robustness", "object_focus", "shape_bias", "parameters"):
            row = content["dimensions"][name]
            own = evaluation.measure(name)
            assert row["published"] == DEIT.values[name]
            assert (row[protocol]["value"], row[protocol]["n"]) == (own.value, own.n)
            assert row[protocol]["interval"] == (None if own.interval is None else list(own.interval))
    values = {name: content["dimensions"][name] for name in PUBLISHED_DIMENSIONS}
    assert "unmeasurable" in values["corruption_robustness"]["released"]
    assert values["corruption_robustness"]["agrees"] is None
    assert values["parameters"]["agrees"] is False
    assert values["adversarial_robustness"]["released"] != values["adversarial_robustness"]["standard"]
    assert content["scores"]["released"] is None


def test_the_table(measured) -> None:
    code, out, err = measured("Hiera-B-Plus", "--limit", 30)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Hiera-B-Plus: transformer, pretraining imagenet-1k, training self-supervised"
    assert lines[1].split() == [
        "dimension",
        "published",
        "protocol",
        "measured",
        "95",
        "%",
        "interval",
        "agrees",
    ]
    first, second = (line.split() for line in lines[2:4])
    assert (first[0], first[2], second[0]) == ("accuracy", "released", "standard")
    suspect = {line.split()[0] for line in lines[2:20] if "?" in line}
    doubtful = next(model for model in published_models() if model.id == "Hiera-B-Plus").doubtful
    assert suspect == doubtful
    assert "?: suspect published value" in lines
    assert any(line.startswith("30 clean images, published were 50,000: with fewer images") for line in lines)
    assert any(line.startswith("double-softmax: the probabilities seem") for line in lines)
    assert max(map(len, lines)) <= 80
    assert "released: measuring cue_conflict\n" in err


def test_a_value_that_a_guard_withholds(measured, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Evaluation.outcome

    def guarded(evaluation: Evaluation, name: str) -> Outcome:
        if name == "shape_bias":
            raise InvariantError("a forward pass changed the model")
        return outcome(evaluation, name)

    monkeypatch.setattr(Evaluation, "outcome", guarded)
    out = measured("DeiT-b", "--limit", 30)[1]
    assert "shape_bias: withheld: a forward pass changed the model\n" in out


@pytest.mark.slow
def test_a_model_of_timm_with_random_weights(tree: Path, run, monkeypatch: pytest.MonkeyPatch) -> None:
    create_model = timm_architectures.timm.create_model
    asked = []

    def random_model(name: str, **options: object) -> torch.nn.Module:
        asked.append((name, options))
        torch.manual_seed(0)
        return create_model("test_resnet", num_classes=1000)

    monkeypatch.setattr(timm_architectures.timm, "create_model", random_model)
    code, out, _ = run(f"timm:{DEIT.timm}", "--data", tree, "--limit", 2, "--format", "json")
    assert (code, asked) == (0, [(DEIT.timm, {"pretrained": True})])
    content = json.loads(out)
    assert content["id"] == "DeiT-b"
    assert content["dimensions"]["parameters"]["released"]["value"] == 0.5  # rounded, as released
    assert content["dimensions"]["parameters"]["standard"]["value"] == 0.469688


def test_weights_that_cannot_be_downloaded(
    tree: Path, run, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(timm_architectures.timm, "create_model", refuse)
    assert run("DeiT-b", "--data", tree) == (4, "", snapshot)


def test_a_checkpoint_file_has_the_architecture_of_timm(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.touch()
    assert _architecture(str(path), DEIT) == "deit_base_patch16_224"
    assert _architecture(SPEC, DEIT) is None


def test_the_list_of_models(run) -> None:
    code, out, _ = run("--list")
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 120)
    assert f"DeiT-b\t{DEIT.timm}" in lines


@pytest.mark.parametrize("words", ["ResNet50", "DeiT-b", "DeiT-b --data nowhere"])
def test_wrong_command_lines(words: str, run, snapshot: SnapshotAssertion) -> None:
    assert run(*words.split()) == (4, "", snapshot)


def test_a_suite_other_than_imagenet(tmp_path: Path, run, snapshot: SnapshotAssertion) -> None:
    assert run("DeiT-b", "--data", write_suite(tmp_path, 1)) == (4, "", snapshot)

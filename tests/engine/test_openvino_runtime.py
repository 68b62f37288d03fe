"""Passes in OpenVINO: checked on the first images, used for unattacked ones, and left if they differ."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine.test_compute_choice import Elsewhere
from PIL import Image
from support.evaluations import Evaluate, same
from torch import Tensor

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.errors import ModelError, SuiteError
from quba_check.evaluation import Evaluation
from quba_check.models import classifier
from quba_check.models.compute import OPENVINO, OPENVINO_DIFFERS, OPENVINO_NOT_CHECKED, RULE, ComputeSettings
from quba_check.models.runtimes import Program, compiled_program, openvino_name
from quba_check.suites.suite import Suite

N = 9
SETTINGS = ComputeSettings(
    channels_last=True, runtime="openvino", requested="auto", reason=OPENVINO, images=N
)
TORCH = replace(SETTINGS, runtime="torch", reason=RULE, images=0)
FOG = View("corruptions", "fog", 3)
BRIGHT = """\
import numpy as np

def prepare(image):
    return np.asarray(image.resize((8, 8)), np.uint8) // 4 + 192
"""
DIFFERS = f"{OPENVINO_DIFFERS} on clean"


@pytest.fixture
def own_suite(tiny_data: Path, tmp_path: Path) -> Path:
    """A copy of the tiny suite, whose corruptions a test may change too."""
    return Path(shutil.copytree(tiny_data, tmp_path / "suite"))


@pytest.fixture
def evaluate(evaluate: Evaluate) -> Evaluate:
    return partial(evaluate, "Uncounted", runtime="openvino")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of each pass in OpenVINO."""
    sizes: list[int] = []
    changed_program(monkeypatch, lambda scores: sizes.append(len(scores)) or scores)
    return sizes


def changed_program(monkeypatch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    """Let programs return other scores."""

    def program(*arguments: Any) -> Program:
        run = compiled_program(*arguments)
        return lambda images: (change(run(images)[0]), "")  # type: ignore[arg-type]

    monkeypatch.setattr(classifier, "compiled_program", program)


def unused(evaluation: Evaluation) -> list[str]:
    return [note for note in evaluation.classifier.notes if "--quba-runtime" in note]


def test_unattacked_images_run_in_openvino_after_a_check(evaluate, programs) -> None:
    evaluation = evaluate()
    evaluation.plan(["accuracy"])
    assert evaluation.planned_work()[0].missing == N  # a plan predicts nothing
    assert (programs, evaluation.classifier.may_change_compute) == ([], True)
    answers = evaluation.engine.predictions([CLEAN, FOG])
    assert evaluation.engine.compute == replace(SETTINGS, images=N + 3)
    assert programs == [N + 1, 3, N, 3]  # checks with a black image, and both views
    assert unused(evaluation) == []
    assert evaluation.engine.cache_keys.model_settings["runtime"] == openvino_name()
    expected = evaluate(runtime="torch").engine.predictions([CLEAN, FOG])
    for view in (CLEAN, FOG):
        assert same(answers[view], expected[view])
        np.testing.assert_allclose(answers[view].confidence, expected[view].confidence, atol=1e-6)


def test_attacks_stay_in_torch(evaluate, programs) -> None:
    evaluation = evaluate()
    evaluation.engine.predictions([CLEAN])
    programs.clear()
    attacked = evaluation.engine.predictions([FGSM, PGD])
    assert programs == []
    expected = evaluate(runtime="torch").engine.predictions([FGSM, PGD])
    assert all(same(attacked[view], expected[view], "confidence") for view in (FGSM, PGD))


@pytest.mark.usefixtures("without_stored_check")
def test_later_runs_read_the_choice_of_the_same_images(evaluate, programs, suite: Path, tmp_path) -> None:
    evaluate().engine.predictions([CLEAN])
    programs.clear()
    again = evaluate()
    assert again.engine.compute == SETTINGS  # also before anything was requested
    again.engine.predictions([CLEAN])
    assert programs == []
    own = shutil.copytree(suite, tmp_path / "other")
    shutil.copyfile(own / "val/brick/000.png", own / "val/apple/000.png")
    evaluate(data=own).engine.predictions([CLEAN])
    assert programs == [N + 1, N]


def test_a_worker_elsewhere_runs_openvino_as_well(evaluate, programs, tmp_path) -> None:
    pool = Elsewhere(tmp_path / "elsewhere", SETTINGS)
    answers = evaluate(workers=pool).engine.predictions([CLEAN])[CLEAN]
    assert pool.choices == 1
    assert N in programs
    expected = evaluate(runtime="torch", store=tmp_path / "own").engine.predictions([CLEAN])[CLEAN]
    assert same(answers, expected)


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        (lambda scores: scores * (1 + 1e-6), SETTINGS),
        (lambda scores: scores * (1 + 1e-3), replace(TORCH, reason=DIFFERS, images=N)),
        (lambda scores: -scores, replace(TORCH, reason=DIFFERS, images=N, flipped=N + 1)),
        (lambda scores: scores * torch.nan, replace(TORCH, reason=DIFFERS, images=N, flipped=N)),
    ],
    ids=["rounding", "scores", "answers", "not finite"],
)
def test_a_program_with_other_scores_is_not_used(evaluate, monkeypatch, change, settings) -> None:
    changed_program(monkeypatch, change)
    evaluation = evaluate()
    evaluation.engine.predictions([CLEAN])
    assert evaluation.engine.compute == settings
    text = f"tiny_models:Uncounted: --quba-runtime=openvino is not used: {DIFFERS}"
    assert unused(evaluation) == ([] if settings is SETTINGS else [text])
    is_torch = (
        evaluation.engine.cache_keys.model_settings
        == evaluate(runtime="torch").engine.cache_keys.model_settings
    )
    assert is_torch == (settings is not SETTINGS)


def brighten(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        Image.open(path).point(lambda value: 192 + value // 4).save(path)


def test_a_network_that_is_not_finite_on_a_shift_is_predicted_by_torch(evaluate, own_suite: Path) -> None:
    """The clean set alone shows no difference, and OpenVINO gives scores where torch gives NaN."""
    brighten(own_suite / "c" / "fog" / "3")
    clean = evaluate.func("Dim", runtime="openvino")
    clean.engine.predictions([CLEAN])
    assert clean.engine.compute == SETTINGS
    refused = r"the model's output is not finite, got NaN or infinity for 3 of 3 images"
    for evaluation in (
        evaluate.func("Dim", runtime="openvino", store=own_suite / "own"),
        evaluate.func("Dim", runtime="openvino"),
        clean,
    ):
        with pytest.raises(ModelError, match=refused):
            evaluation.engine.predictions([FOG])
        assert evaluation.engine.compute.runtime == "torch"
        assert unused(evaluation) == [
            f"tiny_models:Dim: --quba-runtime=openvino is not used: {OPENVINO_DIFFERS} on {FOG}"
        ]


def test_views_of_the_whole_run_are_compared_before_the_first_one_is_predicted(evaluate, own_suite) -> None:
    brighten(own_suite / "c" / "fog" / "3")
    evaluation = evaluate.func("Dim", runtime="openvino")
    evaluation.plan(["accuracy", "corruption_robustness"])
    evaluation.check()
    assert evaluation.engine.compute.reason == f"{OPENVINO_DIFFERS} on {FOG}"
    planned = evaluate.func("Dim", runtime="openvino")
    planned.plan(["accuracy", "corruption_robustness"])
    assert planned.planned_work()[0].missing == 0  # the choice of torch is read, and its first shard is there


def test_a_black_image_is_compared(evaluate, tmp_path, monkeypatch) -> None:
    evaluation = evaluate()
    evaluation.classifier.module.register_forward_pre_hook(
        lambda module, inputs: (inputs[0] / inputs[0].std(dim=(1, 2, 3), keepdim=True),)
    )
    evaluation.engine.predictions([CLEAN])  # torch gives NaN for the black image, and so does OpenVINO
    assert evaluation.engine.compute == SETTINGS
    changed_program(monkeypatch, lambda scores: scores.nan_to_num(0))
    other = evaluate(store=tmp_path / "other")
    other.classifier.module.register_forward_pre_hook(
        lambda module, inputs: (inputs[0] / inputs[0].std(dim=(1, 2, 3), keepdim=True),)
    )
    other.engine.predictions([CLEAN])
    assert other.engine.compute == replace(TORCH, reason=DIFFERS, images=N)


def test_images_behind_a_pipeline_are_compared(evaluate, own_suite: Path, tmp_path, monkeypatch) -> None:
    (tmp_path / "bright.py").write_text(BRIGHT)
    monkeypatch.chdir(tmp_path)
    manifest = own_suite / "quba-data.yaml"
    manifest.write_text(f"{manifest.read_text()}serving:\n  app: {{call: 'bright:prepare'}}\n")
    evaluation = evaluate.func("Dim", runtime="openvino")
    served = replace(CLEAN, variant="serving/app")
    for _ in range(2):  # the choice stays when settings are taken over again
        with pytest.raises(ModelError, match="the model's output is not finite"):
            evaluation.predictions([CLEAN, served])
    assert evaluation.engine.compute == SETTINGS
    (note,) = evaluation.pop_notes()
    assert note == f"tiny_models:Dim: --quba-runtime=openvino is not used: {DIFFERS}"


def test_a_module_that_cannot_be_converted_runs_in_torch(evaluate) -> None:
    evaluation = evaluate()
    evaluation.classifier.module.register_forward_hook(
        lambda module, inputs, scores: scores if scores.mean() < 100 else -scores
    )
    answers = evaluation.engine.predictions([CLEAN])[CLEAN]
    assert same(answers, evaluate(runtime="torch").engine.predictions([CLEAN])[CLEAN], "confidence")
    (text,) = unused(evaluation)
    start = "tiny_models:Uncounted: --quba-runtime=openvino is not used: OpenVINO cannot run it: "
    assert text.startswith(start)


def test_an_unreadable_image_is_left_to_its_shard(evaluate, own_suite: Path) -> None:
    (own_suite / "val" / "apple" / "000.png").write_bytes(b"no image")
    evaluation = evaluate()
    with pytest.raises(SuiteError, match=r"000\.png"):
        evaluation.engine.predictions([CLEAN])
    assert evaluation.classifier.compute.reason == f"{OPENVINO_NOT_CHECKED} clean"


def test_images_of_the_whole_first_shard_are_compared(evaluate, monkeypatch) -> None:
    listed = evaluate().suite.examples(CLEAN)
    monkeypatch.setattr(Suite, "examples", lambda *_: [listed[0]] * 300)
    sizes: list[int] = []
    changed_program(monkeypatch, lambda scores: sizes.append(len(scores)) or scores)
    assert evaluate().engine.worker.choose_compute().images == sum(sizes) - 1 == 64


def test_the_noise_floor_in_half_precision_is_that_of_torch(evaluate, programs) -> None:
    evaluation = evaluate()
    evaluation.engine.predictions([CLEAN])
    programs.clear()
    assert " in bf16" in evaluation.engine.noise_floor()
    assert sum(programs) == 2 * N  # as usual, and in batches of another size

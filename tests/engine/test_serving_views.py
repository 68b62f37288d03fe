"""Views of serving pipelines: predictions by hand, keys, and what a second run reads from the store."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from support.cpu import HAS_AVX2
from support.errors import error_text
from support.evaluations import Evaluate
from support.requests import served as request_behind
from support.tiny import CLASSES, SIDE, picture, write_manifest
from syrupy.assertion import SnapshotAssertion

from quba_check.core.serving import Resize, ServingPipeline
from quba_check.core.view import CLEAN, View
from quba_check.engine.cache_keys import model_identity
from quba_check.errors import ModelError
from quba_check.evaluation import Evaluation
from quba_check.models.loading import load_classifier, with_pipeline

PIPELINES = """\
serving:
  app: {decode: opencv, resize: {library: opencv, method: area}, crop: squash, channels: BGR}
  floats: {call: "shop_images:floats"}
  half: {dtype: bfloat16}
  broken: {call: "shop_images:broken"}
"""
SHOP = """\
import numpy as np

def floats(image):
    pixels = np.asarray(image.resize((8, 8), 0), np.float32)
    return pixels.transpose(2, 0, 1) / 100 - 1

def broken(image):
    raise KeyError("size")
"""


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluate: Evaluate) -> Evaluate:
    """Evaluations on six JPEG photos of 24 × 16 pixels."""
    (tmp_path / "shop_images.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_images", raising=False)
    for k, name in enumerate(CLASSES):
        (tmp_path / "data" / "val" / name).mkdir(parents=True)
        for seed in range(2):
            image = Image.fromarray(picture(seed, like=k)).resize((24, 16), Image.Resampling.BICUBIC)
            image.save(tmp_path / "data" / "val" / name / f"{seed}.jpg")

    def made(serving: str = PIPELINES, **options) -> Evaluation:
        data = write_manifest(tmp_path / "data", "clean: {reader: folder, path: val}", serving)
        return evaluate("net", data, **options)

    return made


def served(evaluation: Evaluation, variant: str) -> np.ndarray:
    view = replace(CLEAN, variant=f"serving/{variant}")
    return evaluation.predictions([CLEAN, view])[view].probabilities


def by_hand(evaluation: Evaluation, prepared: Callable[[Path], np.ndarray]) -> np.ndarray:
    """The probabilities of the module for inputs (3, H, W)."""
    paths = sorted((evaluation.suite.root / "val").glob("*/*.jpg"))
    inputs = torch.tensor(np.stack([prepared(path) for path in paths]), dtype=torch.float32)
    with torch.no_grad():
        return evaluation.classifier.module(inputs).softmax(dim=1).numpy()


def opencv_input(path: Path) -> np.ndarray:
    blue_first = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return (blue_first.transpose(2, 0, 1) / 255 - 0.5) / 0.5


def float_input(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB").resize((8, 8), Image.Resampling.NEAREST), np.float32)
    return pixels.transpose(2, 0, 1) / 100 - 1


def test_predictions_are_those_of_the_application_and_change_with_it(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = evaluate()
    app = served(evaluation, "app")
    floats = served(evaluation, "floats")
    np.testing.assert_allclose(app, by_hand(evaluation, opencv_input), atol=1e-6)
    np.testing.assert_allclose(floats, by_hand(evaluation, float_input), atol=1e-6)
    own = evaluation.predictions([CLEAN])[CLEAN].probabilities
    assert np.abs(app - own).max() > 1e-3 < np.abs(floats - own).max()
    (tmp_path / "shop_images.py").write_text(SHOP.replace("/ 100 - 1", "/ 50 - 2.5"))
    monkeypatch.delitem(sys.modules, "shop_images")
    assert np.abs(served(evaluate(), "floats") - floats).max() > 1e-3


@pytest.mark.usefixtures("without_stored_check")
def test_a_second_run_predicts_nothing(evaluate: Evaluate, models: ModuleType) -> None:
    requests = [request_behind(name, "agreement") for name in ("app", "floats")]

    def run() -> tuple[object, int]:
        evaluation = evaluate()
        evaluation.plan(["parity"], requests=requests)
        planned = sum(work.forward for work in evaluation.planned_work())
        outcome = evaluation.measure("parity")
        assert models.COUNTS["forward"] == planned
        return outcome, planned

    first, passes = run()
    assert passes == 6 * len(["clean", "app", "floats", "decode", "resize", "crop", "channels"])
    second, none = run()
    assert (second, none) == (first, 0)
    assert [row[:2] for row in first.tables["steps"].rows if row[1] == "decode"] == [("app", "decode")]


def test_a_call_that_reads_another_file_has_another_generation(evaluate: Evaluate, tmp_path: Path) -> None:
    shop = SHOP.replace("/ 100", "/ json.loads(Path(__file__).with_name('scale.json').read_text())")
    (tmp_path / "shop_images.py").write_text(f"import json\nfrom pathlib import Path\n{shop}")

    def scaled(scale: int) -> tuple[np.ndarray, list[str]]:
        (tmp_path / "scale.json").write_text(str(scale))
        evaluation = evaluate()
        return served(evaluation, "floats"), evaluation.pop_notes()

    first, other, again = map(scaled, (100, 20, 100))
    assert first[1] == again[1] == []
    assert np.array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 1e-3
    (note,) = other[1]
    assert "the stored predictions of generation 1 are not used: 6 of 6 images of clean have another" in note


def test_pipelines_leave_other_keys_as_they_are(evaluate: Evaluate) -> None:
    plain = evaluate("")
    declared = evaluate()
    assert plain.engine.cache_keys.cache_entry(CLEAN) == declared.engine.cache_keys.cache_entry(CLEAN)
    assert plain.engine.contents.key(CLEAN) == declared.engine.contents.key(CLEAN)
    assert plain.classifier.preprocessing.as_dict() == declared.classifier.preprocessing.as_dict()


def test_keys_of_pipelines_are_those_of_their_steps(evaluate: Evaluate) -> None:
    evaluation = evaluate()
    for name in ("app", "app/channels", "half", "floats"):
        served(evaluation, name)
    keys = [one.engine.cache_keys for one in (evaluation, *evaluation.others)]
    assert len({one.cache_entry(CLEAN) for one in keys}) == 5
    # Fast preprocessing is not exact, and the pipelines state libraries.
    assert [one.is_prepared_fast(CLEAN) for one in keys] == [True, False, False, False, False]


def test_the_input_is_rounded_to_the_type(evaluate: Evaluate) -> None:
    classifier = evaluate().classifier
    images = torch.arange(256, dtype=torch.uint8).expand(1, 3, 1, 256)
    half = with_pipeline(classifier, ServingPipeline(dtype="bfloat16")).inputs(images)
    assert torch.equal(half, classifier.inputs(images).to(torch.bfloat16).float())
    assert half.dtype == torch.float32
    floats = torch.full((1, 3, 1, 4), 0.3)
    assert torch.equal(classifier.inputs(floats), floats)


def test_a_worker_loads_the_pipeline(evaluate: Evaluate) -> None:
    evaluation = evaluate()
    pipeline = ServingPipeline(resize=Resize("opencv", "area"), jpeg=60)
    here = with_pipeline(evaluation.classifier, pipeline)
    there = load_classifier(here.spec, here.request)
    assert model_identity(there) == model_identity(here) != model_identity(evaluation.classifier)


def test_a_function_that_raises_is_one_line(evaluate: Evaluate, snapshot: SnapshotAssertion) -> None:
    evaluation = evaluate()
    evaluation.plan(["parity"], requests=[request_behind("broken", "agreement")])
    assert error_text(ModelError, evaluation.outcome, "parity") == snapshot


def test_tables_of_steps_keep_no_probabilities(evaluate: Evaluate) -> None:
    evaluation = evaluate()
    step = View("clean", variant="serving/app/channels")
    table = evaluation.predictions([CLEAN, step])[step]
    assert table.probabilities is None
    assert len(table.predicted) == 6


def test_torchvisions_pipeline_is_that_of_fast_preprocessing(evaluate: Evaluate) -> None:
    """Both decode by torchvision and resize by torch, so that the answers are the same in every bit.

    Without AVX2 torchvision resizes in float32, and a pixel may round to the next of 256 levels.
    """
    evaluation = evaluate(
        "serving:\n  tv: {decode: torchvision, resize: {library: torchvision, antialias: true}}\n"
    )
    evaluation.plan(["parity"], requests=[request_behind("tv", "probability_change")])
    outcome = evaluation.measure("parity")
    part = outcome.parts["probability_change@pipeline=tv"]
    assert part.value <= (0 if HAS_AVX2 else 1 / 256)
    assert part.interval == (0, 0) or not HAS_AVX2


def test_images_of_pipelines_are_not_kept(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluation = evaluate()
    evaluation.predictions([CLEAN])
    own = sorted((tmp_path / "store").glob("images/**/*.*"))
    assert own
    served(evaluation, "app")
    assert sorted((tmp_path / "store").glob("images/**/*.*")) == own

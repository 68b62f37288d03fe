"""The engine on a tiny suite: each view is predicted once, whatever the batches and interruptions."""

import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.errors import error_text
from support.evaluations import same
from support.stored import path_of
from support.tiny import CLASSES, PER_CLASS, SHIFTS, picture
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.main import main
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, View
from quba_check.engine.batching import BatchSettings
from quba_check.engine.shards import ShardTask
from quba_check.errors import InvariantError, ModelError, StoreError, UnmeasurableError
from quba_check.evaluation import Evaluation
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.storage.shard import encode_shards

N = PER_CLASS * len(CLASSES)
OTHER_IMAGES = 75 * 3 + 6 * (len(SHIFTS) + 2) + 9
PGD_FORWARDS = N
"""The random network is wrong about every image at its random start, so that PGD ends there."""
ALL_FORWARDS = N + 2 * N + PGD_FORWARDS + OTHER_IMAGES
ALL_BACKWARDS = N


SKETCH = View("sketch")
ON_FEW_IMAGES = tuple(name for name in PUBLISHED_DIMENSIONS if name != "corruption_robustness")


def measured(evaluation: Evaluation, names: Sequence[str] = PUBLISHED_DIMENSIONS) -> dict[str, object]:
    evaluation.plan(names)
    evaluation.check()
    return {name: evaluation.outcome(name) for name in names}


def test_copies_of_images_are_a_group_with_one_note(evaluate, own_suite: Path) -> None:
    single = evaluate().measure("accuracy")
    for folder in (own_suite / "val").iterdir():
        for file in tuple(folder.iterdir()):
            (folder / f"copy-{file.name}").write_bytes(file.read_bytes())
    manifest = own_suite / "quba-data.yaml"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace(f", expected: {N}", ""), encoding="utf-8"
    )
    evaluation = evaluate()
    copied = evaluation.measure("accuracy")
    assert (copied.value, copied.n) == (single.value, 2 * N)
    assert (copied.sample.groups, copied.interval) == (N, None)  # too few images for an interval
    evaluation.measure("class_balance")
    assert evaluation.pop_notes() == [
        f"clean: {N} of {2 * N} images are copies of others; intervals count the {N} different ones"
    ]


@pytest.mark.usefixtures("without_stored_check")
def test_nine_dimensions_cost_the_closed_form_and_nothing_the_second_time(evaluate, models) -> None:
    first = measured(evaluate())
    assert models.COUNTS == {"forward": ALL_FORWARDS, "backward": ALL_BACKWARDS}
    second = measured(evaluate())
    assert models.COUNTS == {"forward": 0, "backward": 0}
    assert first == second


def test_measuring_one_by_one_costs_the_same_and_reports_every_image_once(evaluate, models) -> None:
    counts: list[int] = []
    evaluation = evaluate(progress=lambda step: counts.append(step.images))
    for name in PUBLISHED_DIMENSIONS:
        evaluation.outcome(name)
    assert models.COUNTS == {"forward": ALL_FORWARDS, "backward": ALL_BACKWARDS}
    assert sum(counts) == N * 3 + OTHER_IMAGES


@pytest.mark.parametrize("size", [None, 4])
def test_out_of_memory(evaluate, size: int | None, snapshot: SnapshotAssertion) -> None:
    evaluation = evaluate("no_memory", batch_settings=BatchSettings(size, 0), device="cpu")
    assert error_text(ModelError, evaluation.measure, "accuracy") == snapshot
    with pytest.raises(ModelError, match="memory on cpu runs out with"):
        evaluation.answers([np.zeros((8, 8, 3), dtype=np.uint8)])


def test_an_exit_on_the_way_back(evaluate) -> None:
    text = error_text(
        ModelError, lambda: evaluate("an_end_on_the_way_back").measure("adversarial_robustness")
    )
    assert text == "the model's backward pass fails: SystemExit: 0"


@pytest.mark.parametrize(("size", "threads"), [(1, 2), (7, 2), (64, 2), (2, 0), (2, 3)])
def test_batch_size_and_reading_ahead_change_no_answer(
    evaluate, tmp_path: Path, size: int, threads: int
) -> None:
    views = [CLEAN, FGSM, PGD, View("sketch")]
    usual = evaluate().engine.predictions(views)
    batches = BatchSettings(size, threads)
    found = evaluate(store=tmp_path / "other", batch_settings=batches).engine.predictions(views)
    assert all(same(usual[view], found[view]) for view in views)


@pytest.mark.filterwarnings("ignore")  # torch's quantisation is deprecated
def test_batch_size_changes_nothing_for_a_model_quantised_dynamically(evaluate, tmp_path: Path) -> None:
    tables = []
    for size in (None, 7):
        evaluation = evaluate("quantised", store=tmp_path / str(size), batch_settings=BatchSettings(size, 0))
        assert evaluation.engine.batch_size == 1
        tables.append(evaluation.engine.predictions([CLEAN])[CLEAN])
    np.testing.assert_array_equal(tables[0].probabilities, tables[1].probabilities)
    assert evaluation.measure("parameters").value == (3 * 12 + 3 * 3 + 3) / 1e6
    assert evaluation.measure("size").value == (4 * 3 * 12 + 3 * 3 + 4 * 3) / 1e6  # weights of int8
    assert evaluation.measure("size").parts == {}


@pytest.mark.usefixtures("without_stored_check")
def test_a_changed_image_or_label_is_predicted_again_and_a_touched_file_is_not(
    evaluate, models, own_suite: Path
) -> None:
    evaluate().outcome("accuracy")
    image = own_suite / "val" / "apple" / "000.png"
    image.touch()
    evaluate().outcome("accuracy")
    assert models.COUNTS["forward"] == 0
    Image.fromarray(picture(77)).save(image)
    evaluate().outcome("accuracy")
    assert models.COUNTS["forward"] == N  # the shard that it lies in
    image.rename(own_suite / "val" / "brick" / "900.png")
    evaluate().outcome("accuracy")
    assert models.COUNTS["forward"] == N


@pytest.mark.usefixtures("without_stored_check")
def test_a_moved_data_folder_and_its_copy_at_a_url_are_not(evaluate, models, own_suite, tmp_path, s3) -> None:
    evaluate().outcome("accuracy")
    moved = own_suite.rename(tmp_path / "moved")
    for data in (moved, s3.upload(moved)):
        evaluate(data=data).outcome("accuracy")
        assert models.COUNTS["forward"] == 0


@pytest.mark.parametrize("change", [{"model": "other"}, {"seed": 1}, {"protocol": "released"}])
def test_settings_of_an_attack_change_its_cache_key(evaluate, change: dict) -> None:
    entries = {
        evaluate(**options).engine.cache_keys.cache_entry(PGD) for options in ({}, change, dict(change))
    }
    assert len(entries) == 2
    seeds = {evaluate(seed=seed).engine.cache_keys.cache_entry(CLEAN) for seed in (0, 1)}
    assert len(seeds) == 1  # a seed does not touch the clean set


def scaled(temperature: float) -> dict[str, PreprocessingConfig]:
    return {"preprocessing": PreprocessingConfig({"temperature": temperature}, "prep.yaml", departs=True)}


def test_a_temperature_has_its_own_predictions_and_the_same_answers(evaluate, models) -> None:
    plain = evaluate()
    scaled_by_1 = evaluate(**scaled(1.0))
    assert plain.engine.cache_keys.cache_entry(CLEAN) == scaled_by_1.engine.cache_keys.cache_entry(CLEAN)
    before = plain.engine.predictions((CLEAN,))[CLEAN]
    after = evaluate(**scaled(2.0)).engine.predictions((CLEAN,))[CLEAN]
    assert models.COUNTS["forward"] == N
    assert same(before, after)
    roots = np.sqrt(before.probabilities.astype(float))
    expected = roots / roots.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after.probabilities, expected, rtol=1e-5)


def test_a_temperature_of_detected_probabilities_is_refused(evaluate) -> None:
    with pytest.raises(ModelError, match="temperature divides logits, and this model's outputs are prob"):
        evaluate("probabilities", **scaled(2.0)).measure("accuracy")


def with_column(name: str, source: str, more: float = 0):
    def spoil(columns: dict, about: dict) -> None:
        columns[name] = columns[source] + more if more else columns[source]

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda *_: b"cut",
        lambda _, about: about.pop("outputs"),
        lambda _, about: about.update(outputs="what"),
        lambda columns, _: columns.pop("top1"),
        with_column("more", "label"),
        with_column("top1", "confidence"),
        with_column("probabilities", "label"),
        with_column("label", "label", -9),
        with_column("true_probability", "confidence", np.float32("nan")),
        with_column("confidence", "confidence", np.float32(1)),
    ],
    ids="cut kind other-kind missing more type shape class nan share".split(),  # noqa: SIM905
)
def test_a_shard_that_cannot_be_of_the_view(evaluate, models, spoil, snapshot: SnapshotAssertion) -> None:
    before = evaluate().outcome("accuracy")
    evaluation = evaluate()
    (key,) = evaluation.engine.cache_keys.shard_keys(CLEAN)
    shard = evaluation.store.read(key)
    columns = dict(shard.columns)
    about = dict(shard.metadata)
    path = path_of(evaluation.store, key)
    content = spoil(columns, about)
    path.write_bytes(content if isinstance(content, bytes) else encode_shards([key], columns, about))
    evaluation = evaluate()
    assert evaluation.outcome("accuracy") == before
    assert models.COUNTS["forward"] == N
    (note,) = evaluation.engine.pop_notes()
    assert note.replace(str(path), "FILE") == snapshot
    assert evaluation.engine.pop_notes() == []


def test_a_path_that_is_no_shard_is_predicted_again(evaluate, models) -> None:
    before = evaluate().outcome("accuracy")
    evaluation = evaluate()
    path = path_of(evaluation.store, evaluation.engine.cache_keys.shard_keys(CLEAN)[0])
    path.unlink()
    os.mkfifo(path)
    assert evaluate().outcome("accuracy") == before
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        evaluate().outcome("accuracy")


def prune(evaluation: Evaluation) -> None:
    assert main(["store", "prune", "--older-than=0h", "--yes", f"--store={evaluation.store.root}"]) == 0


@pytest.mark.usefixtures("without_stored_check")
def test_what_is_pruned_under_a_run_is_predicted_again(
    evaluate, models, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = evaluate().engine.predictions([CLEAN, SKETCH])
    evaluation = evaluate()
    with monkeypatch.context() as patch:

        def prune_once() -> None:
            patch.undo()
            prune(evaluation)

        patch.setattr(evaluation.store, "close", prune_once)
        after = evaluation.engine.predictions([CLEAN, SKETCH])
    assert all(same(before[view], after[view]) for view in (CLEAN, SKETCH))
    assert models.COUNTS["forward"] == N + len(after[SKETCH].index)
    assert evaluation.engine.pop_notes() == []


@pytest.mark.usefixtures("without_stored_check")
def test_first_predictions_that_are_pruned_under_a_run_are_predicted_again(evaluate, models) -> None:
    before = evaluate().engine.first_predictions()
    evaluation = evaluate()
    evaluation.engine.determine_outputs([CLEAN])  # reads which shards are stored
    prune(evaluation)
    assert same(before, evaluation.engine.first_predictions())
    assert models.COUNTS["forward"] == N


@pytest.mark.parametrize(
    ("model", "outputs"), [("net", "logits"), ("probabilities", "probabilities"), ("sigmoids", "sigmoids")]
)
@pytest.mark.usefixtures("without_stored_check")
def test_kinds_of_outputs_are_distinguished_and_stored(evaluate, models, model: str, outputs: str) -> None:
    for passes in (N, 0):
        evaluation = evaluate(model)
        evaluation.plan(["accuracy"])
        evaluation.check()
        assert (evaluation.classifier.outputs, models.COUNTS["forward"]) == (outputs, passes)
    if outputs == "probabilities":
        tables = [evaluate(name).engine.predictions([CLEAN])[CLEAN] for name in (model, "net")]
        np.testing.assert_allclose(tables[0].probabilities, tables[1].probabilities, atol=1e-6)


@pytest.mark.parametrize(
    "model", ["four_classes", "not_finite", "not_a_table", "a_dict", "stated_with_four_classes"]
)
def test_unusable_outputs_are_found_by_the_check(evaluate, model: str) -> None:
    evaluation = evaluate(model)
    evaluation.plan(["accuracy"])
    with pytest.raises(ModelError):
        evaluation.check()


def test_outputs_of_another_kind_than_stated_are_an_error(evaluate, snapshot: SnapshotAssertion) -> None:
    evaluation = evaluate("stated_falsely")
    evaluation.plan(["accuracy"])
    assert error_text(ModelError, evaluation.check) == snapshot


def test_stated_probabilities_whose_rows_do_not_sum_to_1_are_normalised(evaluate) -> None:
    """The model's outputs look like sigmoids, one for each class."""
    stated = PreprocessingConfig({"outputs": "probabilities"}, "preprocessing.yaml")
    evaluation = evaluate("sigmoids", preprocessing=stated)
    table = evaluation.engine.predictions([CLEAN])[CLEAN]
    examples = evaluation.suite.examples(CLEAN)
    images = torch.stack([evaluation.engine.worker._preprocessing(CLEAN)(example) for example in examples])
    raw = evaluation.classifier.raw(evaluation.classifier.inputs(images)).numpy()
    np.testing.assert_allclose(table.probabilities, raw / raw.sum(axis=1, keepdims=True), atol=1e-6)
    assert evaluation.classifier.outputs == "probabilities"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("no_way_back", "the model's backward pass fails: derivative is not implemented"),
        ("no_gradient", "the model passes no gradient from its output to its input"),
    ],
)
def test_attacks_that_fail_cost_no_other_dimension(evaluate, model: str, reason: str) -> None:
    evaluation = evaluate(model)
    outcomes = measured(evaluation, ON_FEW_IMAGES)
    assert outcomes["adversarial_robustness"].reason == reason
    assert outcomes["accuracy"].n == N
    with pytest.raises(UnmeasurableError):
        evaluation.measure("adversarial_robustness")


def test_tensors_cached_in_a_plain_pass_serve_an_attack(evaluate) -> None:
    evaluation = evaluate("a_cached_table", precision="bf16")
    assert evaluation.outcome("accuracy").n == N
    assert len(evaluation.engine.predictions([PGD])[PGD]) == N


@pytest.mark.parametrize("model", ["in_train_mode", "a_buffer_that_counts", "a_buffer_that_counts_in_secret"])
def test_a_model_that_changes_while_it_is_measured_gets_no_number(
    evaluate, model: str, snapshot: SnapshotAssertion
) -> None:
    evaluation = evaluate(model)
    assert error_text(InvariantError, evaluation.outcome, "accuracy") == snapshot
    assert list((evaluation.store.root / "predictions").rglob("*.safetensors")) == []


def test_probabilities_are_stored_only_if_needed(evaluate) -> None:
    evaluation = evaluate()
    view = View("corruptions", "fog", 3)
    evaluation.engine.predictions([view, CLEAN])
    (key,) = evaluation.engine.cache_keys.shard_keys(view)
    assert set(evaluation.store.read(key).columns) == {
        "index", "label", "top1", "confidence", "true_probability",
    }  # fmt: skip
    (key,) = evaluation.engine.cache_keys.shard_keys(CLEAN)
    assert "probabilities" in evaluation.store.read(key).columns


def test_outputs_of_stored_shards_are_freed(evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of 75 corruptions of 50,000 images would take 15 GB."""
    with_outputs: weakref.WeakSet[ShardTask] = weakref.WeakSet()
    counts = []
    add = ShardTask.add

    def noted(task: ShardTask, *arguments) -> None:
        add(task, *arguments)
        with_outputs.add(task)
        counts.append(len(with_outputs))

    monkeypatch.setattr(ShardTask, "add", noted)
    evaluation = evaluate(batch_settings=BatchSettings(batch_size=3, threads=0))
    evaluation.engine.predictions([View("corruptions", name, 3) for name in CORRUPTIONS])
    assert len(counts) >= len(CORRUPTIONS)
    assert max(counts) <= 4

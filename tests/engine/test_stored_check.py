"""Stored predictions are compared with the model before they are used."""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
import torch
from support.errors import error_text
from support.evaluations import Elsewhere, Evaluate
from support.tiny import CLASSES, PER_CLASS, write_manifest, write_pictures
from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.engine.shards import ShardRequest
from quba_check.engine.stored_check import CLEAN_IMAGES, OTHER_IMAGES
from quba_check.errors import InvariantError, ModelError
from quba_check.evaluation import Evaluation
from quba_check.storage.shard import Origin

N = PER_CLASS * len(CLASSES)
SKETCH = View("sketch")
FOG = View("corruptions", "fog", 3)


@pytest.fixture
def evaluate(evaluate: Evaluate, settings: Callable[[str], object]) -> Evaluate:
    return partial(evaluate, "ReadsFile")


def answers(evaluation: Evaluation, *views: View) -> list[list[int]]:
    tables = evaluation.engine.predictions(views)
    return [tables[view].predicted.tolist() for view in views]


def without_number(text: str) -> str:
    """Leave out how far two probabilities are apart."""
    return re.sub(r"(differs? by) [\d.e-]+", r"\1 …", text)


def generation(evaluation: Evaluation) -> int:
    return evaluation.engine.cache_keys.generation


def test_predictions_of_another_model_are_not_used(evaluate, settings, snapshot: SnapshotAssertion) -> None:
    first = evaluate()
    before = answers(first, CLEAN, SKETCH)
    settings("turned")
    second = evaluate()
    assert second.classifier.fingerprint == first.classifier.fingerprint
    turned = answers(second, CLEAN, SKETCH)
    assert turned == [[(answer + 1) % 3 for answer in view] for view in before]
    assert generation(second) == 2
    (note,) = second.pop_notes()
    assert without_number(note) == snapshot


def test_each_model_finds_its_generation_again(evaluate, settings, models) -> None:
    expected = {}
    for number, text in enumerate(["", "turned", "0.3"], start=1):
        settings(text)
        evaluation = evaluate()
        expected[text] = answers(evaluation, CLEAN, SKETCH)
        assert generation(evaluation) == number
    for number, text in enumerate(expected, start=1):
        settings(text)
        evaluation = evaluate()
        assert answers(evaluation, CLEAN, SKETCH) == expected[text]
        assert generation(evaluation) == number
        assert len(evaluation.pop_notes()) == number - 1
    # The clean images for each generation, and six sketches.
    assert models.COUNTS["forward"] == 3 * N + 6


def test_a_second_run_shows_sixteen_clean_images_and_eight_of_another_set(evaluate, tmp_path: Path) -> None:
    assert (CLEAN_IMAGES, OTHER_IMAGES) == (16, 8)
    views = [CLEAN, *(View("corruptions", "fog", severity) for severity in (1, 2, 3))]
    write_pictures(tmp_path / "large" / "val", 0, 8)
    sets = "clean: {reader: folder, path: val}\ncorruptions: {generate: from clean}"
    data = write_manifest(tmp_path / "large", sets)
    evaluate(data).engine.predictions(views)
    second = evaluate(data)
    sizes: list[int] = []
    second.classifier.module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    second.engine.predictions(views)
    second.engine.predictions(views)
    assert sizes == [16, 8]


def test_a_run_alone_shows_no_image_twice(evaluate, models) -> None:
    answers(evaluate(), CLEAN, SKETCH)
    assert models.COUNTS["forward"] == N + 6


def test_shards_that_appear_during_a_run_are_compared(evaluate, settings) -> None:
    """Another process, which reads another version of the file, predicts at the same time."""
    first = evaluate()
    first.engine.determine_outputs([CLEAN])
    settings("turned")
    second = evaluate()
    second.engine.stored_check._seen.update(map(second.engine.cache_keys.stored_view, (CLEAN, SKETCH)))
    turned = answers(second, CLEAN, SKETCH)
    assert generation(second) == 2
    assert turned == answers(evaluate(), CLEAN, SKETCH)


@pytest.mark.parametrize(
    ("text", "view", "expected"),
    [
        ("1e-4", CLEAN, 1),  # probabilities may differ by a thousandth
        ("0.1", CLEAN, 2),
        ("random", CLEAN, 1),  # the same for all classes
        ("probabilities", CLEAN, 2),
        ("turned", FOG, 2),  # a run that does not need the clean set
    ],
)
def test_a_changed_model_has_another_generation(
    evaluate, settings, text: str, view: View, expected: int
) -> None:
    answers(evaluate(), CLEAN)
    settings(text)
    second = evaluate()
    answers(second, view)
    assert generation(second) == expected
    assert second.classifier.outputs == ("probabilities" if text == "probabilities" else "logits")


def test_attacked_images_alone_are_not_used(evaluate, snapshot: SnapshotAssertion) -> None:
    first = evaluate()
    first.engine.predictions([CLEAN, FGSM])
    first.store.remove(*first.engine.cache_keys.shard_keys(CLEAN))
    second = evaluate()
    second.engine.predictions([CLEAN, FGSM])
    assert generation(second) == 2
    assert second.pop_notes() == snapshot


def test_those_of_another_size_are_not_either(evaluate) -> None:
    views = [CLEAN, replace(PGD, epsilon=Fraction(4, 255))]
    first = evaluate()
    second = evaluate()
    first.engine.predictions(views)
    first.store.remove(*first.engine.cache_keys.shard_keys(CLEAN))
    second.engine.predictions(views)
    assert generation(second) == 2


def test_processes_at_one_time_use_each_others_attacked_images(evaluate) -> None:
    first = evaluate()
    second = evaluate()
    answers(first, CLEAN)
    answers(second, CLEAN, FGSM)
    assert answers(first, FGSM) == answers(second, FGSM)
    assert (generation(first), generation(second)) == (1, 1)


def test_own_attacked_images_vouch_for_no_others(evaluate) -> None:
    first = evaluate()
    second = evaluate()
    first.classifier.outputs = second.classifier.outputs = "logits"
    first.engine._predict_missing([FGSM], [])
    second.engine._predict_missing([PGD], [])
    answers(first, PGD)
    assert generation(first) == 2


def test_a_process_that_leaves_a_generation_removes_what_it_stored_there(evaluate, settings) -> None:
    first = evaluate()
    second = evaluate()
    key = second.engine.cache_keys.shard_key(FGSM, 0)
    answers(first, CLEAN)
    settings("turned")
    second.engine._predict_missing([FGSM], [])
    assert first.store.has(key)
    answers(second, CLEAN)
    assert generation(second) == 2
    assert not evaluate().store.has(key)


def test_a_random_model_cannot_be_compared(evaluate, settings, snapshot: SnapshotAssertion) -> None:
    answers(evaluate(), CLEAN)
    settings("noisy")
    torch.manual_seed(0)
    text = error_text(InvariantError, lambda: answers(evaluate(), CLEAN))
    assert without_number(text) == snapshot


def test_a_damaged_shard_is_predicted_again_in_its_generation(evaluate) -> None:
    first = evaluate()
    expected = answers(first, CLEAN, SKETCH)
    entry = first.engine.cache_keys.cache_entry(first.engine.cache_keys.stored_view(CLEAN))
    (path,) = (first.store.root / "predictions" / entry).iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    second = evaluate()
    assert answers(second, CLEAN, SKETCH) == expected
    assert generation(second) == 1


def test_shards_that_others_pack_meanwhile_are_compared_once(evaluate, monkeypatch) -> None:
    answers(evaluate(), CLEAN, SKETCH)
    second = evaluate()
    expected = answers(second, CLEAN, SKETCH)
    monkeypatch.setattr(second.store, "origins", lambda keys: [Origin() for _ in keys])
    assert not second.engine.stored_check.settle([SKETCH], again=True)
    assert answers(second, CLEAN, SKETCH) == expected


class OtherFile(Elsewhere):
    """Its worker reads another version of the file."""

    def __init__(self, evaluation: Evaluation, settings: Callable[[str], object], text: str) -> None:
        super().__init__(evaluation.engine.worker)
        self._settings = settings
        self._text = text

    def run(self, requests: Iterator[ShardRequest]) -> Iterator[object]:
        for request in requests:
            self._settings(self._text)
            results = list(self.worker.run(iter([request])))
            self._settings("")
            yield from results


@pytest.mark.parametrize("text", ["", "turned"])
def test_workers_that_predict_attacked_images_alone_are_asked_for_others(evaluate, settings, text) -> None:
    answers(evaluate(), CLEAN)
    evaluation = evaluate()
    evaluation.engine._executor = OtherFile(evaluation, settings, text)
    with pytest.raises(ModelError, match="elsewhere answer differently") if text else nullcontext():
        answers(evaluation, FGSM)
    assert evaluate().store.has(evaluation.engine.cache_keys.shard_key(FGSM, 0)) == (not text)


def test_workers_that_answer_differently_are_an_error(
    evaluate, settings, snapshot: SnapshotAssertion
) -> None:
    evaluation = evaluate()
    evaluation.engine._executor = OtherFile(evaluation, settings, "turned")
    text = error_text(ModelError, answers, evaluation, CLEAN)
    assert without_number(text) == snapshot


def test_the_docs_state_how_many_changes_the_check_finds() -> None:
    """Images are chosen by their content, which knows nothing of the change."""
    page = (Path(__file__).parents[2] / "docs" / "store.md").read_text(encoding="utf-8")
    found = {
        share: 100 * (1 - (1 - share / 100) ** (CLEAN_IMAGES + OTHER_IMAGES)) for share in (1, 5, 10, 25)
    }
    (one, one_found), *others, (most, most_found) = found.items()
    stated = [f"{one} % of the answers in {one_found:.0f} % of the runs"]
    stated += [f"of {share} % in {percent:.0f} %" for share, percent in others]
    stated.append(f"of {most} % in {most_found:.1f} %")
    assert all(text in " ".join(page.split()) for text in stated)

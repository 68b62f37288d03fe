"""Views of several shards: one file when complete, read without a pass, repaired shard by shard."""

import shutil
from pathlib import Path

import pytest
from support.evaluations import Evaluate, same
from support.stored import path_of, write
from support.tiny import CLASSES, PER_CLASS

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, FGSM, View
from quba_check.errors import InvariantError
from quba_check.evaluation import Evaluation
from quba_check.storage.objects import FolderObjects
from quba_check.storage.store import Store

N = PER_CLASS * len(CLASSES)
SIZE = 4
VIEWS = [CLEAN, View("sketch"), View("corruptions", "fog", 3)]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards have four images."""
    monkeypatch.setattr("quba_check.suites.contents.SHARD_SIZE", SIZE)


def files_of(evaluation: Evaluation, view: View) -> list[Path]:
    return sorted(path_of(evaluation.store, evaluation.engine.cache_keys.shard_key(view, 0)).parent.iterdir())


def write_again(evaluation: Evaluation, *, packed: bool = True, moved: int | None = None) -> None:
    """Write the shards of the clean set again; one may get labels that are no classes."""
    keys = evaluation.engine.cache_keys.shard_keys(CLEAN)
    store = evaluation.store
    shards = [store.read(key) for key in keys]
    store.remove(*keys)
    for key, shard in zip(keys, shards, strict=True):
        label = shard.columns["label"] - 9 * (key.shard == moved)
        write(store, key, {**shard.columns, "label": label}, shard.metadata)
    if packed:
        store.pack(keys)


def equal(first: Predictions, second: Predictions) -> bool:
    return same(first, second, "confidence", "true_probability", "probabilities")


@pytest.fixture
def unpacked(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> dict[View, Predictions]:
    """Predictions whose shards are still files of their own."""
    with monkeypatch.context() as patch:
        patch.setattr(Store, "pack", lambda *_: None)
        evaluation = evaluate()
        predictions = evaluation.engine.predictions(VIEWS)
    assert [len(files_of(evaluation, view)) for view in VIEWS] == [3, 2, 1]
    return predictions


def test_every_view_is_one_file(evaluate) -> None:
    evaluation = evaluate()
    evaluation.engine.predictions([*VIEWS, FGSM])
    entries = list((evaluation.store.root / "predictions").iterdir())
    assert [len(list(entry.iterdir())) for entry in entries] == [1] * 4


@pytest.mark.usefixtures("without_stored_check")
def test_shards_of_a_complete_view_are_packed_by_its_reader(evaluate, models, unpacked) -> None:
    for _ in range(2):
        evaluation = evaluate()
        predictions = evaluation.engine.predictions(VIEWS)
        assert all(equal(predictions[view], unpacked[view]) for view in VIEWS)
        assert [len(files_of(evaluation, view)) for view in VIEWS] == [1, 1, 1]
        assert models.COUNTS["forward"] == 0
        assert evaluation.engine.pop_notes() == []


@pytest.mark.usefixtures("without_stored_check")
def test_a_table_and_its_pack_come_from_one_reading(evaluate, unpacked, monkeypatch) -> None:
    names: list[str] = []
    get = FolderObjects.get

    def counted(objects: FolderObjects, name: str, *size: int) -> bytes:
        names.append(name)
        return get(objects, name, *size)

    monkeypatch.setattr(FolderObjects, "get", counted)
    evaluation = evaluate()
    evaluation.engine.predictions([CLEAN])
    assert len(files_of(evaluation, CLEAN)) == 1
    read = [name for name in names if name.startswith("predictions/")]
    assert sorted(map(read.count, {*read})) == [1, 1, 2]  # the first one also states the kind of outputs


@pytest.mark.usefixtures("without_stored_check")
def test_a_run_resumes_where_another_stopped(evaluate, models, unpacked) -> None:
    evaluation = evaluate()
    keys = evaluation.engine.cache_keys.shard_keys(CLEAN)
    evaluation.store.remove(keys[1])
    assert equal(evaluation.engine.predictions([CLEAN])[CLEAN], unpacked[CLEAN])
    assert models.COUNTS["forward"] == SIZE
    assert len(files_of(evaluation, CLEAN)) == 1


@pytest.mark.usefixtures("without_stored_check")
def test_the_first_shard_of_a_packed_view(evaluate, models, unpacked) -> None:
    evaluate().engine.predictions(VIEWS)
    first = evaluate().engine.first_predictions()
    assert first.index.tolist() == [*range(SIZE)]
    assert first.label.tolist() == unpacked[CLEAN].label[:SIZE].tolist()
    assert models.COUNTS["forward"] == 0


@pytest.mark.parametrize("damage", ["value", "cut"])
def test_a_damaged_view_is_predicted_again(evaluate, models, unpacked, damage: str) -> None:
    evaluate().engine.predictions(VIEWS)
    evaluation = evaluate()
    (path,) = files_of(evaluation, CLEAN)
    payload = bytearray(path.read_bytes())
    payload[payload.index(unpacked[CLEAN].probabilities[SIZE : SIZE + 1].tobytes())] ^= 1
    path.write_bytes(payload if damage == "value" else payload[:-1])
    assert equal(evaluation.engine.predictions([CLEAN])[CLEAN], unpacked[CLEAN])
    assert models.COUNTS["forward"] == N
    problem = "its checksum does not fit its columns" if damage == "value" else "cannot be read (it has "
    (note,) = evaluation.engine.pop_notes()
    assert note.startswith(f"damaged shard predicted again: {path}: {problem}")
    assert files_of(evaluation, CLEAN) == [path]


@pytest.mark.parametrize("packed", [True, False])
def test_predictions_of_another_model_are_predicted_again(evaluate, models, unpacked, packed: bool) -> None:
    """A released model's predictions, copied over those of a worse one, do not pass for its own."""
    other = evaluate("other")
    evaluation = evaluate()
    for one in (other, evaluation):
        one.engine.predictions([CLEAN])
        write_again(one, packed=packed)
    for target, source in zip(files_of(evaluation, CLEAN), files_of(other, CLEAN), strict=True):
        shutil.copyfile(source, target)
    evaluation = evaluate()
    assert equal(evaluation.engine.predictions([CLEAN])[CLEAN], unpacked[CLEAN])
    assert models.COUNTS["forward"] == N
    problem = "cannot be read (it is of another model, view, settings or images)"
    notes = evaluation.engine.pop_notes()
    assert len(notes) == (1 if packed else N // SIZE + 1)
    assert all(
        note.startswith("damaged shard predicted again: ") and note.endswith(problem) for note in notes
    )


def test_a_packed_shard_that_cannot_be_of_the_view(evaluate, models, unpacked) -> None:
    evaluation = evaluate()
    write_again(evaluation, moved=2)
    (path,) = files_of(evaluation, CLEAN)
    assert equal(evaluation.engine.predictions([CLEAN])[CLEAN], unpacked[CLEAN])
    assert models.COUNTS["forward"] == N
    assert evaluation.engine.pop_notes() == [
        f"damaged shard predicted again: {path}: its column 'label' has numbers that are not classes"
    ]


def test_a_model_that_changes_leaves_nothing_in_packs(evaluate) -> None:
    evaluation = evaluate("a_buffer_that_counts_in_secret")
    with pytest.raises(InvariantError):
        evaluation.outcome("accuracy")
    assert list((evaluation.store.root / "predictions").rglob("*.safetensors")) == []


def test_packs_of_two_suites_under_the_same_settings(evaluate, own_suite: Path) -> None:
    first = evaluate()
    first.engine.predictions([CLEAN, FGSM])
    shutil.copy(own_suite / "val" / "brick" / "001.png", own_suite / "val" / "apple" / "000.png")
    second = evaluate()
    predictions = second.engine.predictions([CLEAN])[CLEAN]
    assert predictions.predicted[0] == predictions.predicted[4]
    assert len(files_of(second, CLEAN)) == 2  # that of the other images stays

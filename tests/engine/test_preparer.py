"""Prepared images: generated corruptions are reproducible, and encoded if the suite asks for it."""

from pathlib import Path

import numpy as np
import pytest
from support.evaluations import new_evaluation
from support.tiny import CLASSES, SIDE, write_models, write_pictures

from quba_check.core.view import CLEAN, CORRUPTIONS, View
from quba_check.engine.preparer import Preparer
from quba_check.evaluation import Evaluation
from quba_check.gate.record_rows import set_rows
from quba_check.suites.corruptions import corrupt, reencode

FOG = View("corruptions", "fog", 3)


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_models(tmp_path, "models_for_the_loader")
    monkeypatch.syspath_prepend(str(tmp_path))
    write_pictures(tmp_path / "val", 0, 2)

    def made(entry: str, **options) -> Evaluation:
        (tmp_path / "quba-data.yaml").write_text(
            f"schema: 1\nname: made\nclasses: [{', '.join(CLASSES)}]\nimage_size: {SIDE}\nsets:\n"
            f"  clean: {{reader: folder, path: val}}\n  corruptions: {entry}\n"
        )
        return new_evaluation("models_for_the_loader:net", tmp_path, store=tmp_path / "store", **options)

    return made


def prepared(evaluation: Evaluation, view: View, index: int) -> np.ndarray:
    example = evaluation.suite.examples(view)[index]
    preparer = Preparer(evaluation.suite, evaluation.classifier, evaluation.seed)
    return preparer.of(view, crop=True)(example).permute(1, 2, 0).numpy()


def test_a_generated_corruption_depends_on_seed_index_corruption_and_severity_alone(evaluate) -> None:
    evaluation = evaluate("{generate: from clean}", seed=5)
    for index in (4, 1):
        clean = prepared(evaluation, CLEAN, index)
        rng = np.random.default_rng([5, 0xC0, index, CORRUPTIONS.index("fog"), 3])
        assert np.array_equal(prepared(evaluation, FOG, index), corrupt(clean, "fog", 3, rng))
    other = evaluate("{generate: from clean}", seed=6)
    assert not np.array_equal(prepared(other, FOG, 1), prepared(evaluation, FOG, 1))


def test_encoded_corruptions_went_through_a_file(evaluate) -> None:
    plain, coded = evaluate("{generate: from clean}"), evaluate("{generate: from clean, encode: jpeg85}")
    assert np.array_equal(prepared(coded, FOG, 2), reencode(prepared(plain, FOG, 2), "jpeg85"))
    assert np.array_equal(prepared(coded, CLEAN, 2), prepared(plain, CLEAN, 2))


def test_seed_and_encoding_change_the_keys_of_corruptions_alone(evaluate) -> None:
    found = [
        evaluate("{generate: from clean}").engine.cache_keys,
        evaluate("{generate: from clean, encode: jpeg85}").engine.cache_keys,
        evaluate("{generate: from clean}", seed=1).engine.cache_keys,
    ]
    assert len({keys.cache_entry(FOG) for keys in found}) == 3
    assert len({keys.cache_entry(CLEAN) for keys in found}) == 1


def test_a_record_states_how_corruptions_were_generated(evaluate) -> None:
    plain, coded = evaluate("{generate: from clean}"), evaluate("{generate: from clean, encode: jpeg85}")
    names = ["corruption_robustness"]
    assert set_rows(plain, names)["corruptions"].generated == "generated@8"
    assert set_rows(plain, names)["clean"].generated is None
    assert set_rows(coded, names)["corruptions"].generated == "generated@8+jpeg85"

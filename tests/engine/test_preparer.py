"""Prepared images: generated corruptions are reproducible, and encoded if the suite asks for it."""

from pathlib import Path

import numpy as np
import pytest
from support.evaluations import Evaluate
from support.tiny import write_manifest, write_pictures

from quba_check.core.view import CLEAN, CORRUPTIONS, View
from quba_check.engine.preparer import Preparer
from quba_check.evaluation import Evaluation
from quba_check.suites.corruptions import corrupt, reencode

FOG = View("corruptions", "fog", 3)


@pytest.fixture
def generated(tmp_path: Path, evaluate: Evaluate) -> Evaluate:
    """Evaluations on corruptions that are generated with these options."""
    write_pictures(tmp_path / "made" / "val", 0, 2)

    def made(options: str = "", **others: object) -> Evaluation:
        sets = f"clean: {{reader: folder, path: val}}\ncorruptions: {{generate: from clean{options}}}"
        return evaluate("net", write_manifest(tmp_path / "made", sets), **others)

    return made


def prepared(evaluation: Evaluation, view: View, index: int) -> np.ndarray:
    example = evaluation.suite.examples(view)[index]
    preparer = Preparer(evaluation.suite, evaluation.classifier)
    return preparer.of(view, crop=True)(example).permute(1, 2, 0).numpy()


def test_a_generated_corruption_depends_on_seed_index_corruption_and_severity_alone(generated) -> None:
    evaluation = generated(seed=5)
    for index in (4, 1):
        clean = prepared(evaluation, CLEAN, index)
        rng = np.random.default_rng([5, 0xC0, index, CORRUPTIONS.index("fog"), 3])
        assert np.array_equal(prepared(evaluation, FOG, index), corrupt(clean, "fog", 3, rng))
    other = generated(seed=6)
    assert not np.array_equal(prepared(other, FOG, 1), prepared(evaluation, FOG, 1))


def test_encoded_corruptions_went_through_a_file(generated) -> None:
    plain = generated()
    coded = generated(", encode: jpeg85")
    assert np.array_equal(prepared(coded, FOG, 2), reencode(prepared(plain, FOG, 2), "jpeg85"))
    assert np.array_equal(prepared(coded, CLEAN, 2), prepared(plain, CLEAN, 2))


def test_seed_and_encoding_change_the_keys_of_corruptions_alone(generated) -> None:
    found = [
        generated().engine.cache_keys,
        generated(", encode: jpeg85").engine.cache_keys,
        generated(seed=1).engine.cache_keys,
    ]
    assert len({keys.cache_entry(FOG) for keys in found}) == 3
    assert len({keys.cache_entry(CLEAN) for keys in found}) == 1

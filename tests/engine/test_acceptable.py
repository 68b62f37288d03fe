"""Several right labels an image, from the list of a set to the table and the contents of a record."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.evaluations import Evaluate
from support.tiny import CLASSES, write_manifest, write_pictures

from quba_check.core.view import CLEAN, View
from quba_check.evaluation import Evaluation
from quba_check.suites import contents

FGSM = View("clean", attack="fgsm")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Six pictures."""
    write_pictures(tmp_path / "data" / "val", 0, 2)
    return write_manifest(tmp_path / "data", "clean: {reader: csv, path: list.csv}")


@pytest.fixture
def evaluation(suite: Path, evaluate: Evaluate) -> Callable[..., Evaluation]:
    """All images have their class as the label, and perhaps another one."""

    def made(column: str, also: str = "") -> Evaluation:
        names = sorted(path.relative_to(suite).as_posix() for path in suite.rglob("*.png"))
        rows = [f"{name},{name.split('/')[1]}{also}" for name in names]
        (suite / "list.csv").write_text("\n".join([f"path,{column}", *rows, ""]))
        return evaluate()

    return made


def test_any_right_class_counts_on_clean_images_and_the_label_alone_under_attack(evaluation) -> None:
    before = evaluation("label")
    table = before.engine.predictions([CLEAN])[CLEAN]
    wrong = CLASSES[int(table.predicted[~table.correct][0])]
    after = evaluation("labels", f"|{wrong}")
    tables = after.engine.predictions([CLEAN, FGSM])
    assert tables[CLEAN].correct.tolist() == [
        one.label == predicted or CLASSES[predicted] == wrong
        for one, predicted in zip(after.suite.examples(CLEAN), table.predicted.tolist(), strict=True)
    ]
    assert tables[CLEAN].correct.sum() > table.correct.sum()
    assert tables[FGSM].acceptable is None
    wrong_rows = after.clean_answers.wrong
    assert not tables[CLEAN].correct[wrong_rows].any()
    assert len(wrong_rows) == (~tables[CLEAN].correct).sum()


def test_right_labels_and_groups_are_found_once_for_the_views_of_the_same_images(
    evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    found = contents.acceptable
    monkeypatch.setattr(contents, "acceptable", lambda rows: listed.append(len(rows)) or found(rows))
    after = evaluation("labels", f"|{CLASSES[0]}")
    tables = after.engine.predictions([FGSM, CLEAN])
    assert listed == [len(tables[CLEAN])]
    assert (tables[FGSM].acceptable, tables[CLEAN].acceptable.shape) == (None, (len(tables[CLEAN]), 2))


def test_the_shards_are_the_same_and_the_contents_of_records_differ(evaluation) -> None:
    keys = []
    hashes = []
    for column, also in (("label", ""), ("labels", ""), ("labels", f"|{CLASSES[0]}")):
        cache_keys = evaluation(column, also).engine.cache_keys
        keys.append(cache_keys.shard_keys(CLEAN))
        hashes.append(cache_keys.contents.key(CLEAN))
    assert keys[0] == keys[1] == keys[2]
    assert hashes[0] == hashes[1] != hashes[2]

"""Several right labels an image, from the list of a set to the table and the contents of a record."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.evaluations import new_evaluation
from support.tiny import CLASSES, write_models, write_pictures

from quba_check.core.view import CLEAN, View
from quba_check.evaluation import Evaluation

FGSM = View("clean", attack="fgsm")
NAME = "acceptable_models"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six pictures."""
    write_models(tmp_path, NAME)
    monkeypatch.syspath_prepend(tmp_path)
    write_pictures(tmp_path / "data" / "val", 0, 2)
    (tmp_path / "data" / "quba-data.yaml").write_text(
        f"schema: 1\nname: tiny\nclasses: [{', '.join(CLASSES)}]\nimage_size: 8\n"
        "sets:\n  clean: {reader: csv, path: list.csv}\n"
    )
    return tmp_path / "data"


def evaluation(data: Path, column: str, also: str = "") -> Evaluation:
    """All images have their class as the label, and perhaps another one."""
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.png"))
    rows = [f"{name},{name.split('/')[1]}{also}" for name in names]
    (data / "list.csv").write_text("\n".join([f"path,{column}", *rows, ""]))
    return new_evaluation(f"{NAME}:net", data, store=data.parent / "store")


def test_any_right_class_counts_on_clean_images_and_the_label_alone_under_attack(data: Path) -> None:
    before = evaluation(data, "label")
    table = before.engine.predictions([CLEAN])[CLEAN]
    wrong = CLASSES[int(table.predicted[~table.correct][0])]
    after = evaluation(data, "labels", f"|{wrong}")
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


def test_the_shards_are_the_same_and_the_contents_of_records_differ(data: Path) -> None:
    keys, contents = [], []
    for column, also in (("label", ""), ("labels", ""), ("labels", f"|{CLASSES[0]}")):
        cache_keys = evaluation(data, column, also).engine.cache_keys
        keys.append(cache_keys.shard_keys(CLEAN))
        contents.append(cache_keys.content_key(CLEAN))
    assert keys[0] == keys[1] == keys[2]
    assert contents[0] == contents[1] != contents[2]

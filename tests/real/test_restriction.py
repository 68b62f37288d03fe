"""Twenty photos in folders of their synsets, by a network of all 1,000 classes: some are scored, or all."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.evaluations import new_evaluation

from quba_check.core.view import CLEAN
from quba_check.evaluation import Evaluation
from quba_check.suites.label_spaces import imagenet_classes

ARCH = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def folders(photo_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folders")
    with (photo_suite / "photos.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            place = root / "val" / imagenet_classes()[int(row["label"])]
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photo_suite / row["path"], place / Path(row["path"]).name)
    return root


@pytest.fixture
def evaluate(folders: Path, lite0_checkpoint: Path, tmp_path: Path):
    names = sorted(path.name for path in (folders / "val").iterdir())

    def made(keys: str = "", classes: str = f"[{', '.join(names)}]", entry: str = "") -> Evaluation:
        (folders / "quba-data.yaml").write_text(
            f"schema: 1\nname: photos\nclasses: {classes}\n{keys}\n"
            f"sets:\n  clean: {{reader: folder, path: val{entry}}}\n",
            encoding="utf-8",
        )
        return new_evaluation(str(lite0_checkpoint), folders, arch=ARCH, store=tmp_path, device="cpu")

    return made


def test_restricted_answers_are_softmax_over_some_logits(evaluate) -> None:
    restricted = evaluate("restrict: true")
    columns = [imagenet_classes().index(name) for name in restricted.suite.classes]
    whole = evaluate(classes="imagenet", entry=", partial: true")
    few, all_ = (made.engine.predictions([CLEAN])[CLEAN] for made in (restricted, whole))
    p = all_.probabilities[:, columns]
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(few.probabilities, p, atol=1e-5)
    assert restricted.measure("accuracy").value >= whole.measure("accuracy").value
    assert restricted.measure("accuracy").n == 20
    assert f"answers are restricted to {len(columns)} of the model's 1,000 classes" in (
        restricted.classifier.notes
    )

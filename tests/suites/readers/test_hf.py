"""The reader `hf`: whose class names are matched by name, and the exact text for what is wrong."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image
from support.suites import listing, message

from quba_check.suites.readers.hf import hf_images, hf_member

PICTURE = io.BytesIO()
Image.new("RGB", (2, 2)).save(PICTURE, "png")


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def saved(root: Path, label: Any, labels: list[object], **columns: Any) -> Path:
    """A dataset with an image a label."""
    features = datasets.Features(image=datasets.Image(), label=label, **columns)
    cell = {"bytes": PICTURE.getvalue(), "path": None}
    rows = {"image": [cell] * len(labels), "label": labels} | {name: [0] * len(labels) for name in columns}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(root / "saved")
    return root / "saved"


def classes(*names: str) -> datasets.ClassLabel:
    return datasets.ClassLabel(names=list(names))


def test_class_names_are_matched_and_their_order_is_not(tmp_path: Path) -> None:
    path = saved(tmp_path, classes("kiwi", "plum", "apple"), [0, 2, 2])
    assert [image.label for image in listing(hf_images, path)] == [2, 0, 0]


@pytest.mark.parametrize(("kind", "labels"), [("int32", [2, 0]), ("string", ["kiwi", "apple"])])
def test_other_labels_are_positions_or_names(tmp_path: Path, kind: str, labels: list[object]) -> None:
    path = saved(tmp_path, datasets.Value(kind), labels)
    assert [(image.label, image.member) for image in listing(hf_images, path)] == [
        (2, "image/0"),
        (0, "image/1"),
    ]
    assert hf_member(Path(listing(hf_images, path)[1].path), "image/1").size == (2, 2)


@pytest.mark.parametrize(
    ("label", "labels", "text"),
    [
        (
            classes("pear", "peer"),
            [0, 1],
            "SET/data-00000-of-00001.arrow[1]: unknown class 'peer'. Did you mean 'pear'? "
            "Allowed: apple, pear, kiwi.",
        ),
        (
            classes("pear", "kiwi"),
            [0, -1],
            "SET/data-00000-of-00001.arrow[1]: unknown class '-1'. Allowed: apple, pear, kiwi.",
        ),
        (
            datasets.Value("string"),
            [None],
            "SET/data-00000-of-00001.arrow[0]: label: got nothing. Allowed: a class name or number.",
        ),
    ],
)
def test_wrong_labels(tmp_path: Path, label: Any, labels: list[object], text: str) -> None:
    assert message(hf_images, saved(tmp_path, label, labels)) == text


def test_wrong_columns_and_splits(tmp_path: Path) -> None:
    path = saved(tmp_path, classes("pear"), [0], fine_label=classes("pear"))
    assert message(hf_images, path, image="img") == (
        "SET: there is no column 'img'. Allowed: image, label, fine_label. Did you mean 'image'?"
    )
    assert message(hf_images, path, label="lable") == (
        "SET: there is no column 'lable'. Allowed: image, label, fine_label. Did you mean 'label'?"
    )
    assert message(hf_images, path, image="label") == (
        "SET: image: the column 'label' holds no images. Allowed: image."
    )
    assert message(hf_images, path, split="test") == "SET: has no splits, got split: test. Remove the key."
    assert len(listing(hf_images, path, label="fine_label")) == 1


def test_of_several_splits_one_is_named(tmp_path: Path) -> None:
    whole = datasets.load_from_disk(saved(tmp_path, classes("pear"), [0]))
    both = tmp_path / "both"
    datasets.DatasetDict(train=whole, test=whole).save_to_disk(both)
    assert message(hf_images, both) == "SET: split is missing. Allowed: train, test."
    assert message(hf_images, both, split="tset") == (
        "SET: there is no split 'tset'. Allowed: train, test. Did you mean 'test'?"
    )
    assert message(hf_images, both, split="val") == "SET: there is no split 'val'. Allowed: train, test."
    assert "both/test/" in listing(hf_images, both, split="test")[0].path


def test_folders_that_hold_no_dataset(tmp_path: Path) -> None:
    text = "SET: not a folder that save_to_disk of datasets wrote, or damaged."
    assert message(hf_images, tmp_path) == text
    path = saved(tmp_path, classes("pear"), [0])
    (path / "data-00000-of-00001.arrow").write_bytes(b"nothing")
    assert message(hf_images, path) == text


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert message(hf_images, tmp_path) == (
        'SET: the reader hf needs datasets, which is not installed. Install it: pip install "quba-check[hf]".'
    )

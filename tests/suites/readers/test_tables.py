"""Readers of tables: labels and columns, and the exact text for what is wrong in a file."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets")
pytest.importorskip("pyarrow")

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from support.suites import error_text, listing, message, png, short, tree

from quba_check.suites.readers.tables import hf_images, hf_member, parquet_images, parquet_member


def table(root: Path, columns: dict[str, list[object]], metadata: dict[str, str] | None = None) -> Path:
    tree(root, "a.png", "b.png")
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), root / "x.parquet")
    return root / "x.parquet"


def test_paths_are_relative_to_the_file_and_labels_positions_or_names(tmp_path: Path) -> None:
    for labels in (["kiwi", "pear"], [2, 1]):
        path = table(tmp_path, {"label": labels, "path": ["b.png", "a.png"], "width": [1, 2]})
        assert short(tmp_path, listing(parquet_images, path)) == [("b.png", 2, -1), ("a.png", 1, -1)]


def test_several_labels(tmp_path: Path) -> None:
    path = table(tmp_path, {"labels": ["kiwi|pear", "1"], "path": ["b.png", "a.png"]})
    assert [(one.label, one.also) for one in listing(parquet_images, path)] == [(2, (1,)), (1, ())]
    path = table(tmp_path, {"labels": ["kiwi|pear", "1"], "image": [b"", b""]})
    assert [(one.label, one.also) for one in listing(parquet_images, path)] == [(2, (1,)), (1, ())]
    path = table(tmp_path, {"labels": ["kiwi"], "label": ["kiwi"], "path": ["a.png"]})
    text = "SET: has the columns label and labels. Allowed: one of them."
    assert message(parquet_images, path) == text
    assert listing(parquet_images, path, label="labels")[0].label == 2


@pytest.mark.parametrize("labels", [{}, {"label": ["elk", "ox"]}, {"label": [7, 8], "labels": ["", ""]}])
def test_images_without_labels(tmp_path: Path, labels: dict[str, list[object]]) -> None:
    path = table(tmp_path, {"image": [b"", b""], "who": ["a", None], **labels})
    images = listing(parquet_images, path, columns=["who"], is_labelled=False)
    assert [(one.label, one.also, one.member, one.cells) for one in images] == [
        (-1, (), "image/0", ("a",)),
        (-1, (), "image/1", ("",)),
    ]


def test_class_names_of_hugging_face_are_matched_by_name(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["pear", "kiwi", "apple"]}}}}
    path = table(tmp_path, {"image": [b"", b""], "label": [0, 2]}, {"huggingface": json.dumps(names)})
    assert [(image.label, image.member) for image in listing(parquet_images, path)] == [
        (1, "image/0"),
        (0, "image/1"),
    ]
    path = table(tmp_path, {"image": [b""], "label": [True]}, {"huggingface": json.dumps(names)})
    text = "SET[0]: label: got true. Allowed: a class name or number."
    assert message(parquet_images, path) == text


def test_a_named_column_of_images_wins_over_paths(tmp_path: Path) -> None:
    path = table(tmp_path, {"path": ["a.png"], "image": [b""], "label": ["pear"]})
    assert listing(parquet_images, path)[0].member is None
    assert listing(parquet_images, path, image="image")[0].member == "image/0"


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"file": ["a.png"], "label": [0]}, "SET: there is no column 'image'. Allowed: file, label."),
        (
            {"path": ["a.png"], "lable": [0]},
            "SET: there is no column 'label'. Allowed: path, lable. Did you mean 'lable'?",
        ),
        ({"path": ["c.png"], "label": [0]}, "SET[0]: there is no file FOLDER/c.png."),
        ({"path": ["a.png", None], "label": [0, 0]}, "SET[1]: path: got nothing. Allowed: text."),
        (
            {"path": ["a.png"], "label": [None]},
            "SET[0]: label: got nothing. Allowed: a class name or number.",
        ),
        (
            {"path": ["a.png", "b.png", "a.png"], "label": [0, 0, 0]},
            "SET[2]: a.png is listed twice, first in SET[0].",
        ),
        ({"path": ["a.png"], "label": [True]}, "SET[0]: label: got true. Allowed: a class name or number."),
        ({"path": pa.array([], "string"), "label": pa.array([], "string")}, "SET: lists no images."),
    ],
)
def test_wrong_tables(tmp_path: Path, columns: dict[str, list[object]], text: str) -> None:
    error = message(parquet_images, table(tmp_path, columns))
    assert error.replace(str(tmp_path), "FOLDER") == text


def test_a_column_that_occurs_twice(tmp_path: Path) -> None:
    columns = [pa.array([cell]) for cell in ("a.png", "kiwi", "pear")]
    pq.write_table(pa.table(columns, ["path", "label", "label"]), tmp_path / "x.parquet")
    text = "SET: there is more than one column 'label'."
    assert message(parquet_images, tmp_path / "x.parquet") == text


def test_files_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"path,label\n")
    assert message(parquet_images, tmp_path / "x.parquet") == "SET: not a Parquet file, or damaged."
    assert message(parquet_images, tmp_path / "y.parquet") == "SET: there is no file y.parquet."


def test_a_damaged_column(tmp_path: Path) -> None:
    path = table(tmp_path, {"path": ["a.png"], "label": [0]})
    page = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    content = bytearray(path.read_bytes())
    content[page : page + 8] = b"\xff" * 8
    path.write_bytes(content)
    assert message(parquet_images, path) == "SET: the column 'label' cannot be read. The file is damaged."


def test_a_row_that_went_away(tmp_path: Path) -> None:
    path = table(tmp_path, {"image": [b""], "label": [0]})
    assert error_text(parquet_member, path, "image/1") == f"{path}: there is no row 1 in it."


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert message(parquet_images, table(tmp_path, {"path": ["a.png"], "label": [0]})) == (
        "SET: the reader parquet needs pyarrow, which is not installed. "
        'Install it: pip install "quba-check[parquet]".'
    )


def test_an_image_that_two_files_list(tmp_path: Path) -> None:
    tree(tmp_path, "a.png", "b.png")
    for name, images in (("1", ["a.png", "b.png"]), ("2", ["./b.png"])):
        columns = {"path": images, "label": [0] * len(images)}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    assert message(parquet_images, tmp_path) == (
        "SET/2.parquet[0]: ./b.png is listed twice, first in SET/1.parquet[1]."
    )


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def saved(root: Path, label: Any, labels: list[object], **columns: Any) -> Path:
    """A dataset with an image a label."""
    features = datasets.Features(image=datasets.Image(), label=label, **columns)
    cell = {"bytes": png(), "path": None}
    rows = {"image": [cell] * len(labels), "label": labels} | {name: [0] * len(labels) for name in columns}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(root / "saved")
    return root / "saved"


def classes(*names: str) -> datasets.ClassLabel:
    return datasets.ClassLabel(names=list(names))


def edit(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **values}), "utf-8")


@pytest.mark.parametrize(
    ("stored", "stated", "got"),
    [
        (["pear", "kiwi"], ["kiwi", "pear"], "kiwi and pear"),
        (["pear", "kiwi"], ["pear", "kiwi", "apple"], "apple and nothing"),
        (None, ["kiwi", "pear"], "kiwi and nothing"),
        (["pear", "kiwi"], None, "nothing and pear"),
    ],
)
def test_class_names_that_contradict_each_other(
    tmp_path: Path, stored: list[str] | None, stated: list[str] | None, got: str
) -> None:
    path = saved(tmp_path, classes(*stored) if stored else datasets.Value("int64"), [0, 1])
    label = datasets.Value("int64") if stated is None else classes(*stated)
    features = datasets.Features(image=datasets.Image(), label=label)
    edit(path / "dataset_info.json", features=features.to_dict())
    assert message(hf_images, path) == (
        "SET: dataset_info.json and data-00000-of-00001.arrow name the classes of 'label' differently, "
        f"got {got}."
    )


def test_a_dataset_that_does_not_list_its_files_once(tmp_path: Path) -> None:
    text = "SET: has no rows, or state.json does not list each of its files once. Save the dataset again."
    whole = datasets.load_from_disk(saved(tmp_path / "whole", classes("pear"), [0, 0]))
    path = tmp_path / "none"
    whole.select([]).save_to_disk(path, num_shards=1)
    assert message(hf_images, path) == text
    path = tmp_path / "parts"
    whole.save_to_disk(path, num_shards=2)
    files = [{"filename": f"data-0000{number}-of-00002.arrow"} for number in range(2)]
    assert len(listing(hf_images, path)) == 2
    for other in (files[:1], [files[0], *files]):
        edit(path / "state.json", _data_files=other)
        assert message(hf_images, path) == text


def test_a_dataset_that_the_library_would_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "IN_MEMORY_MAX_SIZE", 10**9)
    assert len(listing(hf_images, saved(tmp_path, classes("pear"), [0]))) == 1


@pytest.mark.parametrize(("kind", "labels"), [("int32", [2, 0]), ("string", ["kiwi", "apple"])])
def test_other_labels_are_positions_or_names(tmp_path: Path, kind: str, labels: list[object]) -> None:
    path = saved(tmp_path, datasets.Value(kind), labels)
    assert [(image.label, image.member) for image in listing(hf_images, path)] == [
        (2, "image/0"),
        (0, "image/1"),
    ]
    assert hf_member(Path(listing(hf_images, path)[1].path), "image/1").size == (4, 3)


@pytest.mark.parametrize(
    ("label", "labels", "text"),
    [
        (
            classes("pear", "peer"),
            [0, 1],
            "SET/data-00000-of-00001.arrow[1]: unknown class 'peer'. "
            "Allowed: apple, pear, kiwi. Did you mean 'pear'?",
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
def test_wrong_labels_of_datasets(tmp_path: Path, label: Any, labels: list[object], text: str) -> None:
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


def test_without_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert message(hf_images, tmp_path) == (
        'SET: the reader hf needs datasets, which is not installed. Install it: pip install "quba-check[hf]".'
    )

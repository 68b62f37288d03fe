"""Names of classes are the same in every Unicode form: file systems and editors choose different ones."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from support.suites import Images, listing, tree

from quba_check.suites.detection import detect_layout
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.readers.csv_list import csv_images
from quba_check.suites.readers.folder import cue_conflict_images, folder_images, model_vs_human_images

Form = Literal["NFC", "NFD"]
FORMS: list[tuple[Form, Form]] = [("NFC", "NFD"), ("NFD", "NFC")]


@pytest.mark.parametrize(("of_classes", "of_files"), FORMS)
@pytest.mark.parametrize(
    ("reader", "file"),
    [
        (folder_images, "café/0.png"),
        (folder_images, "01_café/0.png"),
        (csv_images, "0.png"),
        (cue_conflict_images, "café/café1-thé2.png"),
        (model_vs_human_images, "1_a_b_0_café_00.png"),
    ],
)
def test_names_in_another_form(
    tmp_path: Path, reader: Images, file: str, of_classes: Form, of_files: Form
) -> None:
    tree(tmp_path, unicodedata.normalize(of_files, file))
    path = tmp_path
    keys = {"partial": True} if reader is folder_images else {}
    if reader is csv_images:
        path = tmp_path / "x.csv"
        path.write_text(unicodedata.normalize(of_files, "path,label\n0.png,café\n"), encoding="utf-8")
    classes = [unicodedata.normalize(of_classes, name) for name in ("thé", "café")]
    assert [image.label for image in listing(reader, path, classes, **keys)] == [1]
    names = [unicodedata.normalize(of_files, name) for name in ("café", "lait")]
    assert ClassList.plain(classes).positions_of(names) == [1, None]


@pytest.mark.parametrize(("of_clean", "of_shift"), FORMS)
def test_init_finds_shifts_in_another_form(tmp_path: Path, of_clean: Form, of_shift: Form) -> None:
    tree(tmp_path, *(unicodedata.normalize(of_clean, f"val/{name}/0.png") for name in ("café", "thé")))
    tree(tmp_path, *(unicodedata.normalize(of_shift, f"night/{name}/0.png") for name in ("café", "thé")))
    assert detect_layout(tmp_path).shifts == {"night": "night"}

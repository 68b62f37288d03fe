"""CSV files that list images: classes, folders, and comments that offer columns as groups and slices."""

from pathlib import Path, PureWindowsPath

import pytest
from support.suites import tree

from quba_check.suites import image_lists
from quba_check.suites.image_lists import read_image_list
from quba_check.suites.readers.listing import LabelledImage


def test_columns_that_may_be_groups_or_slices(tmp_path: Path) -> None:
    """Not: constant, unique, rare or mostly single values, images without group."""
    tree(tmp_path, *(f"img/{i}.ppm" for i in range(120)))
    header = "path,label,sender,kids,constant,id,rare,single,gaps"
    rows = [
        f"img/{i}.ppm,{'ab'[i % 2]},s{i // 3},{i < 60},x,{i},{i < 10},{max(i, 40)},{i // 3 or ''}"
        for i in range(120)
    ]
    (tmp_path / "val.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    read = read_image_list(tmp_path / "val.csv")
    assert (read.classes, read.folders) == (("a", "b"), {"img"})
    assert read.comments == [
        "# group: sender  # 40 values for 120 images; then each value is one observation",
        "# slices: [kids]  # kids True 60, False 60; demands can bound the worst",
    ]


def test_folders_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["C:/data/val/1.png", "C:/data/val/a/2.png"]
    rows = [(number, {"path": name, "label": name[-5]}) for number, name in enumerate(names)]
    monkeypatch.setattr(image_lists, "csv_rows", lambda *_, **__: rows)
    monkeypatch.setattr(image_lists, "csv_images", lambda *_: [LabelledImage(name, 0) for name in names])
    assert read_image_list(PureWindowsPath("C:/data/val.csv")).folders == {"val"}


def test_classes_that_are_numbers_have_the_order_of_numbers(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{i}.ppm" for i in range(11)))
    rows = [f"{i}.ppm,{i}|{(i + 1) % 11}" for i in range(11)]
    (tmp_path / "val.csv").write_text("\n".join(["path,labels", *rows]), encoding="utf-8")
    assert read_image_list(tmp_path / "val.csv").classes == tuple(map(str, range(11)))

"""Groups of images: from a column of any reader with columns, or from paths."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.suites import error_text, suite_of, tree, write_tar

from quba_check.core.view import CLEAN
from quba_check.suites.sampling import SubsetSampler

GROUPS = ["ann", "bob", "ann", "cid"]
LABELS = ["apple", "pear", "apple", "pear"]
FILES = [f"{number}.png" for number in range(4)]


def groups(root: Path, entry: str) -> list[str | None]:
    suite = suite_of(root, f"sets:\n  clean: {{{entry}}}", "[apple, pear]")
    return [example.group for example in suite.examples(CLEAN)]


def message(root: Path, entry: str) -> str:
    return error_text(groups, root, entry).replace(f"{root}/", "")


def write_csv(root: Path, names: list[str] = GROUPS) -> None:
    rows = [",".join(row) for row in zip(FILES, LABELS, names, strict=True)]
    (tree(root, *FILES) / "a.csv").write_text("\n".join(["path,label,patient", *rows]) + "\n")


def write_parquet(root: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"path": FILES, "label": LABELS, "patient": GROUPS})
    parquet.write_table(table, tree(root, *FILES) / "a.parquet")


def write_hf(root: Path) -> None:
    datasets = pytest.importorskip("datasets")
    images = [Image.new("RGB", (4, 4), (number, 0, 0)) for number in range(4)]
    columns = {"image": images, "label": LABELS, "patient": GROUPS}
    datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image()).save_to_disk(str(root / "a"))


def write_webdataset(root: Path) -> None:
    keys = [{"label": label, "patient": patient} for label, patient in zip(LABELS, GROUPS, strict=True)]
    samples = ({f"{k}.png": b"", f"{k}.json": json.dumps(row).encode()} for k, row in enumerate(keys))
    write_tar(root / "a.tar", {name: content for files in samples for name, content in files.items()})


@pytest.mark.parametrize(
    ("write", "entry"),
    [
        (write_csv, "reader: csv, path: a.csv"),
        (write_parquet, "reader: parquet, path: a.parquet"),
        (write_hf, "reader: hf, path: a"),
        (write_webdataset, "reader: webdataset, path: a.tar"),
    ],
    ids=["csv", "parquet", "hf", "webdataset"],
)
def test_a_column_names_the_groups(tmp_path: Path, write: Callable[[Path], None], entry: str) -> None:
    write(tmp_path)
    assert groups(tmp_path, f"{entry}, group: patient") == GROUPS
    assert groups(tmp_path, entry) == [None] * 4


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("{path: '(?P<group>[^/_]+)_frame'}", ["clip1", "clip1", "clip2"]),
        ("{folders: 1}", ["apple", "apple", "pear"]),
    ],
)
def test_paths_name_the_groups(tmp_path: Path, group: str, expected: list[str]) -> None:
    tree(tmp_path / "val", "apple/clip1_frame1.png", "apple/clip1_frame2.png", "pear/clip2_frame1.png")
    assert groups(tmp_path, f"reader: folder, path: val, group: {group}") == expected


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (
            "patient",
            "1.png: the group column 'patient' is empty. Allowed: a name in each row; a unique one for a "
            "lone image.",
        ),
        ("pacient", "a.csv:1: the header must name path, label and pacient, got path, label, patient."),
        (
            "{path: '(?P<group>x)'}",
            "0.png: group: (?P<group>x) does not match its path. Allowed: an expression for every image.",
        ),
        ("{folders: 2}", "0.png: lies in fewer than 2 folders below a.csv. Allowed: a smaller number."),
    ],
)
def test_images_without_a_group(tmp_path: Path, group: str, expected: str) -> None:
    write_csv(tmp_path, ["ann", " ", "bob", "cid"])
    assert message(tmp_path, f"reader: csv, path: a.csv, group: {group}") == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"0.png": b"", "0.cls": b"apple"}, "a.tar[0.png]: no .json next to it. Expected: keys patient."),
        (
            {"0.png": b"", "0.cls": b"apple", "0.json": b"[0]"},
            "a.tar[0.json]: not keys with values. Expected: keys patient.",
        ),
    ],
)
def test_a_webdataset_without_keys_has_no_columns(
    tmp_path: Path, files: dict[str, bytes], expected: str
) -> None:
    write_tar(tmp_path / "a.tar", files)
    assert message(tmp_path, "reader: webdataset, path: a.tar, group: patient") == expected


def test_a_limit_draws_whole_groups(tmp_path: Path) -> None:
    write_csv(tmp_path)
    for limit in (1, 2, 3):
        text = "sets:\n  clean: {reader: csv, path: a.csv, group: patient}"
        suite = suite_of(tmp_path, text, sampler=SubsetSampler(limit, seed=1))
        drawn = [example.group for example in suite.examples(CLEAN)]
        assert all(drawn.count(name) == GROUPS.count(name or "") for name in drawn)
        assert 1 <= len(drawn) <= max(limit, 2)
        assert suite.counts([CLEAN])["clean"].groups == len({*drawn})


def test_an_expression_that_tries_too_many_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quba_check.suites.slices.SECONDS", 0.2)
    tree(tmp_path, "val/apple/a.jpg", f"val/pear/{'a' * 60}!.jpg")
    entry = "reader: folder, path: val, group: {path: '/(?P<group>(a|aa)+)(.jpg)?$'}"
    assert message(tmp_path, entry) == (
        f"val/pear/{'a' * 60}!.jpg: group: the expression /(?P<group>(a|aa)+)(.jpg)?$ takes more than 0.2 "
        "seconds. Allowed: a simpler one."
    )

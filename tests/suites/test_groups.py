"""Groups of images: from a column of any reader with columns, or from paths."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.reading import tree

from quba_check.core.view import CLEAN
from quba_check.errors import SuiteError
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import WHOLE, SubsetSampler
from quba_check.suites.suite import Suite

GROUPS = ["ann", "bob", "ann", "cid"]
LABELS = ["apple", "pear", "apple", "pear"]


def suite_of(root: Path, entry: str, sampler: SubsetSampler = WHOLE) -> Suite:
    manifest = f"schema: 1\nname: fruit\nclasses: [apple, pear]\nsets:\n  clean: {{{entry}}}\n"
    (root / "quba-data.yaml").write_text(manifest)
    return open_suite(root, sampler)


def groups(root: Path, entry: str) -> list[str | None]:
    return [example.group for example in suite_of(root, entry).examples(CLEAN)]


def message(root: Path, entry: str) -> str:
    with pytest.raises(SuiteError) as raised:
        groups(root, entry)
    return str(raised.value).replace(f"{root}/", "")


def write_csv(root: Path, names: list[str]) -> None:
    rows = [
        f"{number}.png,{label},{name}" for number, (label, name) in enumerate(zip(LABELS, names, strict=True))
    ]
    (tree(root, *(f"{number}.png" for number in range(4))) / "a.csv").write_text(
        "\n".join(["path,label,patient", *rows]) + "\n"
    )


def write_parquet(root: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    paths = [f"{number}.png" for number in range(4)]
    table = pyarrow.table({"path": paths, "label": LABELS, "patient": GROUPS})
    parquet.write_table(table, tree(root, *paths) / "a.parquet")


def write_hf(root: Path) -> None:
    datasets = pytest.importorskip("datasets")
    images = [Image.new("RGB", (4, 4), (number, 0, 0)) for number in range(4)]
    columns = {"image": images, "label": LABELS, "patient": GROUPS}
    datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image()).save_to_disk(str(root / "a"))


def write_webdataset(root: Path) -> None:
    with tarfile.open(root / "a.tar", "w") as tar:
        for number, (label, patient) in enumerate(zip(LABELS, GROUPS, strict=True)):
            for name, content in (
                (f"{number}.png", b""),
                (f"{number}.json", json.dumps({"label": label, "patient": patient}).encode()),
            ):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    ("write", "entry"),
    [
        (lambda root: write_csv(root, GROUPS), "reader: csv, path: a.csv"),
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
    ("entry", "expected"),
    [
        (
            "reader: csv, path: a.csv, group: patient",
            "1.png: the group column 'patient' is empty. Allowed: a name in each row; a unique one for a "
            "lone image.",
        ),
        (
            "reader: csv, path: a.csv, group: pacient",
            "a.csv:1: the header must name path, label and pacient, got path, label, patient.",
        ),
        (
            "reader: csv, path: a.csv, group: {path: '(?P<group>x)'}",
            "0.png: group: (?P<group>x) does not match its path. Allowed: an expression for every image.",
        ),
        (
            "reader: csv, path: a.csv, group: {folders: 2}",
            "0.png: lies in fewer than 2 folders below a.csv. Allowed: a smaller number.",
        ),
        (
            "reader: folder, path: val, group: patient",
            "quba-data.yaml:5: sets.clean: got the column 'patient' with reader: folder, which has no "
            "columns. Allowed: group: {path: REGEX} or {folders: NUMBER}, or a reader with columns.",
        ),
        (
            "reader: csv, path: a.csv, group: [patient]",
            "quba-data.yaml:5: sets.clean.group: got a list. Allowed: a column, {path: REGEX} or {folders: "
            "NUMBER}.",
        ),
        (
            "reader: csv, path: a.csv, group: {path: '(x'}",
            "quba-data.yaml:5: sets.clean.group: path is not a regular expression (missing ) at position 2).",
        ),
        (
            "reader: csv, path: a.csv, group: {path: '(x)'}",
            "quba-data.yaml:5: sets.clean.group: path has no named group. Allowed: a part in (?P<group>…).",
        ),
        (
            "reader: csv, path: a.csv, group: {path: x, folders: 1}",
            "quba-data.yaml:5: sets.clean.group: got both. Allowed: path, a regular expression, or folders, "
            "a number.",
        ),
    ],
)
def test_wrong_groups(tmp_path: Path, entry: str, expected: str) -> None:
    write_csv(tmp_path, ["ann", " ", "bob", "cid"])
    assert message(tmp_path, entry) == expected


def test_a_webdataset_without_json_has_no_columns(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (("0.png", b""), ("0.cls", b"apple")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    expected = "a.tar[0.png]: no .json next to it. Expected: keys patient."
    assert message(tmp_path, "reader: webdataset, path: a.tar, group: patient") == expected


def test_a_limit_draws_whole_groups(tmp_path: Path) -> None:
    write_csv(tmp_path, GROUPS)
    entry = "reader: csv, path: a.csv, group: patient"
    for limit in (1, 2, 3):
        suite = suite_of(tmp_path, entry, SubsetSampler(limit, seed=1))
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

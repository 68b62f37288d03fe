"""`quba-check init`: what it writes is read again, and demands are never overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quba_check.cli.main import main
from quba_check.core.view import CLEAN, View
from quba_check.demands.reading import read_thresholds
from quba_check.dimensions import registry
from quba_check.suites import open_suite
from quba_check.suites.label_spaces import imagenet_classes


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, *folders: str, images: int = 2, size: tuple[int, int] = (8, 8)) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for number in range(images):
            Image.fromarray(np.zeros((*size[::-1], 3), np.uint8)).save(root / folder / f"{number}.png")


def run_init(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["init", *arguments])
    return code, *capsys.readouterr()


def body(path: Path) -> list[str]:
    """The lines of a file that are not comments."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_files_and_output(here: Path, capsys) -> None:
    write(here / "my data", "val/ant", "val/bee", "night/bee", "masks/ant", "masks/bee", "train/ant")
    write(here / "my data", "night/ant", images=1)
    (here / "my data/val/bee/0.gif").write_bytes(b"")
    assert run_init(capsys, "my data") == (
        0,
        "my data/quba-data.yaml: 2 classes; clean, corruptions, night\n"
        "  left out: masks (masks)\n"
        "  left out: train (training images)\n"
        "  clean: 1 file is not read: bee/0.gif\n"
        "thresholds/default.yaml: demands to start from; set their numbers\n"
        "Next:\n"
        "  quba-check suite describe 'my data'\n"
        "  quba-check doctor --model=MODEL --data='my data'\n"
        "  pytest --model=MODEL --quba-data='my data'\n",
        "",
    )
    assert body(here / "my data/quba-data.yaml") == [
        "schema: 1",
        'name: "my data"',
        "classes: [ant, bee]",
        "image_size: 8  # for models that state no input size; that of the images",
        "sets:",
        "  clean: {reader: folder, path: val, expected: 4}",
        "  corruptions: {generate: from clean}",
        "  shifts:",
        "    night: {reader: folder, path: night, expected: 3}",
    ]
    assert body(here / "thresholds/default.yaml") == [
        "schema: 1",
        'name: "release gate of my data"',
        "dimensions:",
        "  accuracy: {min: 0.8}",
        "  adversarial_robustness: {min: 0.05, tier: warn}",
        "  corruption_robustness: {min: 0.6}",
        "  ood_robustness: {min: 0.6}",
        "  calibration_error: {max: 0.41}  # for 4 images of 2 classes",
        "  class_balance: {min: 0.6}",
        "  # parameters: {max: 30}  # in millions",
    ]
    text = (here / "thresholds/default.yaml").read_text(encoding="utf-8")
    assert text.endswith(
        "# Half of the images of every class; a high accuracy can hide a class that is never right:\n"
        "# classes: {each: {recall: {min: 0.5}}}\n"
    )
    suite = open_suite(here / "my data")
    read = read_thresholds(here / "thresholds/default.yaml", label="default.yaml", suite=suite.facts)
    assert len(read.demands) == 6
    assert sorted(path.name for path in (here / "my data").iterdir()) == [
        "masks",
        "night",
        "quba-data.yaml",
        "train",
        "val",
    ]


def test_a_validation_set_next_to_test_images_is_no_shift(here: Path, capsys) -> None:
    write(
        here / "data", *(f"{folder}/{name}" for folder in ("test", "val", "dev") for name in ("ant", "bee"))
    )
    (here / "data/dev/stray.png").write_bytes(b"")
    assert run_init(capsys, "data")[1].splitlines()[:3] == [
        "data/quba-data.yaml: 2 classes; clean, corruptions, val",
        "  left out: dev (dev/stray.png: an image outside the class folders. Expected: <class>/<image>)",
        "thresholds/default.yaml: demands to start from; set their numbers",
    ]
    assert body(here / "data/quba-data.yaml")[4:] == [
        "sets:",
        "  clean: {reader: folder, path: test, expected: 4}",
        "  corruptions: {generate: from clean}",
        "  other:  # no dimension counts these; thresholds may be chosen on them",
        "    val: {reader: folder, path: val, expected: 4}",
    ]
    assert "ood_robustness" not in "".join(body(here / "thresholds/default.yaml"))
    facts = open_suite(here / "data").facts
    assert (facts.shifts, facts.other) == ((), ("val",))
    assert not {view.set for name in registry.names for view in registry[name].views(facts)} & {"val"}


def test_what_is_missing_is_written_and_the_rest_is_kept(here: Path, capsys) -> None:
    write(here / "data", "val/ant", "val/bee")
    manifest, thresholds = here / "data/quba-data.yaml", here / "thresholds/default.yaml"
    thresholds.parent.mkdir()
    thresholds.write_text("mine", encoding="utf-8")
    code, out, err = run_init(capsys, "data")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        "data/quba-data.yaml: 2 classes; clean, corruptions",
        "thresholds/default.yaml: kept, as it exists already",
    ]
    thresholds.unlink()
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("name: data", "name: mine"), "utf-8")
    assert run_init(capsys, "data")[1].splitlines()[:2] == [
        "data/quba-data.yaml: kept, as it exists already",
        "thresholds/default.yaml: demands to start from; set their numbers",
    ]
    assert "release gate of mine" in thresholds.read_text(encoding="utf-8")
    assert run_init(capsys, "data") == (
        4,
        "",
        "ERROR: quba-check init: data/quba-data.yaml and thresholds/default.yaml exist already, and nothing "
        "is missing. Allowed: --force writes quba-data.yaml again; for new demands delete "
        "thresholds/default.yaml first.\n",
    )


def test_force_replaces_the_manifest_and_never_the_demands(here: Path, capsys) -> None:
    write(here / "data", "val/ant", "val/bee")
    for path in (here / "data/quba-data.yaml", here / "thresholds/default.yaml"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    assert run_init(capsys, "data", "--force")[1].splitlines()[1] == (
        "thresholds/default.yaml: kept, as it exists already"
    )
    assert "ant" in (here / "data/quba-data.yaml").read_text(encoding="utf-8")
    assert (here / "thresholds/default.yaml").read_text(encoding="utf-8") == "mine"


def test_some_of_imagenets_classes(here: Path, capsys) -> None:
    names = imagenet_classes()[5:40:7]
    write(here / "data", *(f"imagenet/val/{name}" for name in names), f"imagenet-r/{names[1]}", size=(9, 7))
    write(here / "data", f"imagenet-r/{names[2]}", images=1)
    assert run_init(capsys, "data")[0] == 0
    text = (here / "data/quba-data.yaml").read_text(encoding="utf-8")
    assert "# 5 of ImageNet's 1,000 classes.\n" in text
    assert "\nrestrict: true  # models of all 1,000 classes answer in these alone. Other ways:\n" in text
    assert "image_size: 224  # for models that state no input size; the images have no common one\n" in text
    assert "imagenet_r: {reader: folder, path: imagenet-r, expected: 3, partial: true}" in text
    suite = open_suite(here / "data")
    assert suite.classes == names
    assert (suite.head.size, suite.head.columns) == (1000, tuple(range(5, 40, 7)))


def test_the_name_of_the_suite(here: Path, capsys) -> None:
    write(here / "data", "val/ant", "val/bee")
    assert run_init(capsys, "data", "--name", "Insects: 2026")[0] == 0
    assert body(here / "data/quba-data.yaml")[1] == 'name: "Insects: 2026"'
    assert body(here / "thresholds/default.yaml")[1] == 'name: "release gate of Insects: 2026"'
    (here / "thresholds/default.yaml").unlink()
    assert run_init(capsys, "data", "--name", "ants")[0] == 0
    assert body(here / "data/quba-data.yaml")[1] == 'name: "Insects: 2026"'
    assert body(here / "thresholds/default.yaml")[1] == 'name: "release gate of ants"'


def test_names_of_imagenets_classes(here: Path, capsys) -> None:
    write(here / "data", "val/tench", "val/great_white_shark")
    assert run_init(capsys, "data")[0] == 0
    assert "\n# restrict: true  # for models of all 1,000 classes: they answer in these alone\n" in (
        here / "data/quba-data.yaml"
    ).read_text(encoding="utf-8")
    path = here / "data/quba-data.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("# restrict: ", "restrict: "), encoding="utf-8")
    assert open_suite(here / "data").head.columns == (2, 0)


def test_names_that_yaml_would_read_otherwise(here: Path, capsys) -> None:
    names = ["0", "1.5", "a: b", "no", "null", "yes, really", "#x", "it's", "日本", "~", "n" * 90]
    write(here / "data", *(f"val/{name}" for name in names), images=1)
    assert run_init(capsys, "data")[0] == 0
    suite = open_suite(here / "data")
    assert suite.classes == tuple(sorted(names))
    assert len(suite.examples(CLEAN)) == len(names)
    assert max(map(len, (here / "data/quba-data.yaml").read_text(encoding="utf-8").splitlines())) < 110
    assert "class_balance" not in "".join(body(here / "thresholds/default.yaml"))
    assert "# Left out because the suite's images do not allow a value: ood_robustness, class_balance, " in (
        here / "thresholds/default.yaml"
    ).read_text(encoding="utf-8")


def test_names_that_no_manifest_can_hold(here: Path, capsys) -> None:
    write(here / "data", "val/ant", "val/\x1b[31mbee")
    assert run_init(capsys, "data") == (
        4,
        "",
        "ERROR: quba-check init: the names of the folders in data cannot stand in quba-data.yaml: "
        "the text has the character U+001B. Allowed: text. Rename the folders, or write the file by hand.\n",
    )
    assert [path.name for path in (here / "data").iterdir()] == ["val"]


def test_sets_that_cannot_be_read_are_left_out(here: Path, capsys) -> None:
    write(here / "data", "val/ant", "val/bee", "cc", "night/ant", "night/bee")
    (here / "data/night/stray.png").write_bytes(b"")
    code, out, err = run_init(capsys, "data")
    assert (code, err) == (0, "")
    assert out.splitlines()[:3] == [
        "data/quba-data.yaml: 2 classes; clean, corruptions",
        "  left out: cc (cc/0.png: the name does not state two cues. Expected: <shape><i>-<texture><j>.png)",
        "  left out: night (night/stray.png: an image outside the class folders. Expected: <class>/<image>)",
    ]


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("no", "no: there is no such data folder. Allowed: an existing folder."),
        ("file", "file: is a file, not a data folder. Allowed: a folder, such as {here}."),
        (
            "empty",
            "empty: no test images in folders of two or more classes. Expected: val/<class>/<image>, "
            "or <class>/<image>. For other layouts write quba-data.yaml by hand (csv, arrays, parquet and "
            "others).",
        ),
        (
            ".",
            "{here}: class folders stand next to other folders (empty). Move the class folders into a folder "
            "of their own, such as val.",
        ),
    ],
)
def test_folders_that_hold_no_suite(here: Path, capsys, folder: str, text: str) -> None:
    write(here, "ant", "bee")
    (here / "empty").mkdir()
    (here / "file").touch()
    assert run_init(capsys, folder) == (4, "", f"ERROR: {text.format(here=here)}\n")
    assert not (here / "thresholds").exists()


def test_class_folders_in_the_current_folder(here: Path, capsys) -> None:
    write(here, "ant", "bee")
    assert run_init(capsys, ".") == (
        4,
        "",
        f"ERROR: quba-check init: {here} holds the class folders, and thresholds/default.yaml would lie "
        "among them. Run it in another folder.\n",
    )


def test_the_example_can_be_judged_as_it_is(here: Path, capsys) -> None:
    code, out, err = run_init(capsys, "data", "--example", "digits", "--name", "digits")
    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        "data: drawn digits, 1,000 in train, 500 in val",
        "data/quba-data.yaml: 10 classes; clean, corruptions, night",
        "  left out: masks (masks)",
        "  left out: train (training images)",
    ]
    suite = open_suite(here / "data")
    assert {len(suite.examples(view)) for view in (CLEAN, View("night"))} == {500}
    digit, mask = (Image.open(here / "data" / name / "one/0001.png") for name in ("val", "masks"))
    inside = np.asarray(mask).mean(axis=2) > 0
    assert digit.size == (32, 32)
    assert np.asarray(digit)[inside].mean() > 2 * np.asarray(digit)[~inside].mean()
    rows = (here / "data/images.csv").read_text(encoding="utf-8").splitlines()
    assert rows[:3] == [
        "path,label,lighting,camera",
        "val/zero/0000.png,zero,dusk,new",
        "night/zero/0000.png,zero,dusk,new",
    ]
    assert all((here / "data" / row.partition(",")[0]).is_file() for row in rows[1:])


NEW_FOLDER = "Allowed: a new folder, or an empty one, that you may write to."


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["data", "--example", "digits"], f"data: example images need a folder of their own. {NEW_FOLDER}"),
        (["new", "--example", "cats"], "--example: got 'cats'. Allowed: digits."),
        (
            ["data/val/ant/0.png", "--example", "digits"],
            f"data/val/ant/0.png: cannot be written (Not a directory). {NEW_FOLDER}",
        ),
    ],
)
def test_an_example_that_cannot_be_written(here: Path, capsys, arguments: list[str], text: str) -> None:
    write(here / "data", "val/ant")
    assert run_init(capsys, *arguments) == (4, "", f"ERROR: quba-check init: {text}\n")
    assert sorted(path.name for path in here.rglob("*")) == ["0.png", "1.png", "ant", "data", "val"]


def test_the_published_layout_needs_no_manifest(here: Path, capsys) -> None:
    for name in imagenet_classes():
        (here / "data/imagenet/val" / name).mkdir(parents=True)
        (here / "data/imagenet/val" / name / "1.ppm").write_bytes(b"P6 1 1 255 abc")
    assert run_init(capsys, "data") == (
        4,
        "",
        "ERROR: quba-check init: data has the published ImageNet layout and needs no quba-data.yaml.\n",
    )

"""`quba-check init`: what it writes is read again, and demands are never overwritten."""

from pathlib import Path

import numpy as np
import pytest
from cli.conftest import Run
from PIL import Image
from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CLEAN, View
from quba_check.demands.reading import read_thresholds
from quba_check.dimensions import registry
from quba_check.suites import open_suite
from quba_check.suites.example import Example
from quba_check.suites.label_spaces import imagenet_classes
from quba_check.suites.suite import Suite

MANIFEST = Path("data/quba-data.yaml")
THRESHOLDS = Path("thresholds/default.yaml")
"""The files that most tests write."""
THOROUGH = THRESHOLDS.with_name("thorough.yaml")


def write(root: Path, *folders: str, images: int = 2, size: tuple[int, int] = (8, 8)) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for number in range(images):
            Image.fromarray(np.zeros((*size[::-1], 3), np.uint8)).save(root / folder / f"{number}.png")


def body(path: Path) -> list[str]:
    """The lines of a file that are not comments."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_files_and_output(run: Run, snapshot: SnapshotAssertion) -> None:
    data = Path("my data")
    write(data, "val/ant", "val/bee", "night/bee", "masks/ant", "masks/bee", "train/ant")
    write(data, "night/ant", images=1)
    (data / "val/bee/0.gif").write_bytes(b"")
    assert run("init 'my data'") == (0, snapshot, "")
    assert (data / "quba-data.yaml").read_text(encoding="utf-8") == snapshot
    assert THRESHOLDS.read_text(encoding="utf-8") == snapshot
    read = read_thresholds(THRESHOLDS, label="default.yaml", suite=open_suite(data).facts)
    assert len(read.demands) == 5
    names = ["masks", "night", "quba-data.yaml", "train", "val"]
    assert sorted(path.name for path in data.iterdir()) == names


def test_groups_and_slices_are_offered_in_comments(run: Run, snapshot: SnapshotAssertion) -> None:
    write(Path("data"), "val/ant", "val/bee", images=60)
    write(Path("data"), "tuning/ant", "tuning/bee", "rejects")
    columns = "path,label,sender,a b,kids,id\n"
    rows = (
        f"val/{name}/{i}.png,{name},s{i // 3},c{i // 4},{i < 30},{i}"
        for name in ("ant", "bee")
        for i in range(60)
    )
    Path("data/val.csv").write_text(columns + "\n".join(rows), encoding="utf-8")
    assert run("init data") == (0, snapshot, "")
    text = MANIFEST.read_text(encoding="utf-8")
    assert text == snapshot
    text = text.replace("    # group: sender", "    group: sender").replace("    # slices", "    slices")
    MANIFEST.write_text(text, encoding="utf-8")
    facts = open_suite(Path("data")).facts
    assert (facts.slices, facts.other, facts.unknown) == (("kids",), ("tuning",), ("rejects",))
    assert (
        "\nclean: val.csv; 20 groups by sender; kids=False 60, kids=True 60\n"
        in run("suite describe data")[1]
    )


def test_attacks_are_judged_if_asked_for(run: Run) -> None:
    write(Path("data"), "val/ant", "val/bee")
    THOROUGH.parent.mkdir()
    THOROUGH.write_text("mine", encoding="utf-8")
    assert "thorough" not in run("init data")[1]
    assert THOROUGH.read_text(encoding="utf-8") == "mine"
    THOROUGH.unlink()
    THRESHOLDS.unlink()
    assert (
        "thresholds/thorough.yaml: the same demands and attacks (up to 104 passes, 13 times as many)\n"
        in run("init data")[1]
    )
    facts = open_suite(Path("data")).facts
    names = [
        [demand.dimension for demand in read_thresholds(path, label=path.name, suite=facts).demands]
        for path in (THRESHOLDS, THOROUGH)
    ]
    assert names[1] == [*names[0], "adversarial_robustness"]


def test_a_validation_set_next_to_test_images_is_no_shift(run: Run, snapshot: SnapshotAssertion) -> None:
    write(Path("data"), *(f"{folder}/{name}" for folder in ("test", "val", "dev") for name in ("ant", "bee")))
    Path("data/dev/stray.png").write_bytes(b"")
    assert run("init data") == (0, snapshot, "")
    assert "\n".join(body(MANIFEST)[4:]) == snapshot
    assert "ood_robustness" not in "".join(body(THRESHOLDS))
    facts = open_suite(Path("data")).facts
    assert (facts.shifts, facts.other) == ((), ("val",))
    assert not {view.set for name in registry.names for view in registry[name].views(facts)} & {"val"}


def test_what_is_missing_is_written_and_the_rest_is_kept(run: Run, snapshot: SnapshotAssertion) -> None:
    write(Path("data"), "val/ant", "val/bee")
    THRESHOLDS.parent.mkdir()
    THRESHOLDS.write_text("mine", encoding="utf-8")
    assert run("init data") == (0, snapshot, "")
    THRESHOLDS.unlink()
    MANIFEST.write_text(MANIFEST.read_text(encoding="utf-8").replace("name: data", "name: mine"), "utf-8")
    assert run("init data") == (0, snapshot, "")
    assert "release gate of mine" in THRESHOLDS.read_text(encoding="utf-8")
    assert run("init data") == (4, "", snapshot)


def test_force_replaces_the_manifest_and_never_the_demands(run: Run) -> None:
    write(Path("data"), "val/ant", "val/bee")
    for path in (MANIFEST, THRESHOLDS):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    assert "thresholds/default.yaml: kept, as it exists already\n" in run("init data --force")[1]
    assert "ant" in MANIFEST.read_text(encoding="utf-8")
    assert THRESHOLDS.read_text(encoding="utf-8") == "mine"


def test_few_images_are_opened_for_the_common_size(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("data"), "val/ant", "val/bee", images=60)
    opened = []
    open_image = Suite.open_image

    def open_and_count(suite: Suite, example: Example) -> Image.Image:
        opened.append(example.name)
        return open_image(suite, example)

    monkeypatch.setattr(Suite, "open_image", open_and_count)
    assert run("init data")[0] == 0
    assert len(opened) == 60
    assert "image_size: 8  # for models that state no input size; that of the images" in body(MANIFEST)


def test_some_of_imagenets_classes(run: Run) -> None:
    names = imagenet_classes()[5:40:7]
    write(Path("data"), *(f"imagenet/val/{name}" for name in names), f"imagenet-r/{names[1]}", size=(9, 7))
    write(Path("data"), f"imagenet-r/{names[2]}", images=1)
    assert run("init data")[0] == 0
    text = MANIFEST.read_text(encoding="utf-8")
    assert "# 5 of ImageNet's 1,000 classes.\n" in text
    assert "\nrestrict: true  # models of all 1,000 classes answer in these alone. Other ways:\n" in text
    note = "for models that state no input size; the images have no common square size"
    assert f"\nimage_size: 224  # {note}\n" in text
    assert "imagenet_r: {reader: folder, path: imagenet-r, expected: 3, partial: true}" in text
    suite = open_suite(Path("data"))
    assert suite.classes == names
    assert (suite.head.size, suite.head.columns) == (1000, tuple(range(5, 40, 7)))


def test_the_name_of_the_suite(run: Run) -> None:
    write(Path("data"), "val/ant", "val/bee")
    assert run("init data --name 'Insects: 2026'")[0] == 0
    assert body(MANIFEST)[1] == 'name: "Insects: 2026"'
    assert body(THRESHOLDS)[1] == 'name: "release gate of Insects: 2026"'
    THRESHOLDS.unlink()
    assert run("init data --name ants")[0] == 0
    assert body(MANIFEST)[1] == 'name: "Insects: 2026"'
    assert body(THRESHOLDS)[1] == 'name: "release gate of ants"'


def test_names_of_imagenets_classes(run: Run) -> None:
    write(Path("data"), "val/tench", "val/great_white_shark")
    assert run("init data")[0] == 0
    text = MANIFEST.read_text(encoding="utf-8")
    assert "\n# restrict: true  # for models of all 1,000 classes: they answer in these alone\n" in text
    MANIFEST.write_text(text.replace("# restrict: ", "restrict: "), encoding="utf-8")
    assert open_suite("data").head.columns == (2, 0)


def test_names_that_yaml_would_read_otherwise(run: Run) -> None:
    names = ["0", "1.5", "a: b", "no", "null", "yes, really", "#x", "it's", "日本", "~", "n" * 90]
    write(Path("data"), *(f"val/{name}" for name in names), images=1)
    assert run("init data")[0] == 0
    suite = open_suite(Path("data"))
    assert suite.classes == tuple(sorted(names))
    assert len(suite.examples(CLEAN)) == len(names)
    assert max(map(len, MANIFEST.read_text(encoding="utf-8").splitlines())) < 110
    assert "class_balance" not in "".join(body(THRESHOLDS))
    text = THRESHOLDS.read_text(encoding="utf-8")
    assert (
        "# Left out because the suite's images do not allow a value: ood_robustness, class_balance, " in text
    )


def test_names_that_no_manifest_can_hold(run: Run, snapshot: SnapshotAssertion) -> None:
    write(Path("data"), "val/ant", "val/\x1b[31mbee")
    assert run("init data") == (4, "", snapshot)
    assert [path.name for path in Path("data").iterdir()] == ["val"]


def test_sets_that_cannot_be_read_are_left_out(run: Run, snapshot: SnapshotAssertion) -> None:
    write(Path("data"), "val/ant", "val/bee", "cc", "night/ant", "night/bee")
    Path("data/night/stray.png").write_bytes(b"")
    assert run("init data") == (0, snapshot, "")


@pytest.mark.parametrize("folder", ["no", "file", "empty", "."])
def test_folders_that_hold_no_suite(run: Run, folder: str, snapshot: SnapshotAssertion) -> None:
    write(Path(), "ant", "bee")
    Path("empty").mkdir()
    Path("file").touch()
    code, out, err = run(f"init {folder}")
    assert (code, out, err.replace(str(Path.cwd()), "HERE")) == (4, "", snapshot)
    assert not Path("thresholds").exists()


@pytest.mark.slow
def test_the_example_can_be_judged_as_it_is(run: Run, snapshot: SnapshotAssertion) -> None:
    code, out, err = run("init data --example digits --name digits")
    assert (code, err, out.splitlines()[:7]) == (0, "", snapshot)
    suite = open_suite(Path("data"))
    assert {len(suite.examples(view)) for view in (CLEAN, View("night"))} == {500}
    digit, mask = (Image.open(Path("data") / name / "one/0001.png") for name in ("val", "masks"))
    inside = np.asarray(mask).mean(axis=2) > 0
    assert digit.size == (32, 32)
    assert np.asarray(digit)[inside].mean() > 2 * np.asarray(digit)[~inside].mean()
    rows = (Path("data/images.csv")).read_text(encoding="utf-8").splitlines()
    assert rows[:3] == [
        "path,label,lighting,camera",
        "val/zero/0000.png,zero,dusk,new",
        "night/zero/0000.png,zero,dusk,new",
    ]
    assert all((Path("data") / row.partition(",")[0]).is_file() for row in rows[1:])


@pytest.mark.parametrize(
    "words", ["data --example digits", "new --example cats", "data/val/ant/0.png --example digits"]
)
def test_an_example_that_cannot_be_written(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    write(Path("data"), "val/ant")
    assert run(f"init {words}") == (4, "", snapshot)
    assert sorted(path.name for path in Path().rglob("*")) == ["0.png", "1.png", "ant", "data", "val"]


def test_the_published_layout_needs_no_manifest(run: Run, snapshot: SnapshotAssertion) -> None:
    for name in imagenet_classes():
        (Path("data/imagenet/val") / name).mkdir(parents=True)
        (Path("data/imagenet/val") / name / "1.ppm").write_bytes(b"P6 1 1 255 abc")
    assert run("init data") == (4, "", snapshot)

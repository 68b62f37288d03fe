"""Sets in folders, recognised by the names of the folders."""

from pathlib import Path

import pytest
from support.suites import error_text, tree

from quba_check.core.view import CORRUPTIONS, SEVERITIES
from quba_check.suites.detection import Layout, detect_layout


def classes(*folders: str, names: tuple[str, ...] = ("ant", "bee")) -> list[str]:
    return [f"{folder}/{name}/1.ppm" for folder in folders for name in names]


def test_class_folders_in_the_folder_itself(tmp_path: Path) -> None:
    tree(tmp_path, "bee/1.jpg", "ant/1.JPG", "ant/notes.txt", "readme.md")
    assert detect_layout(tmp_path) == Layout(".", ("ant", "bee"))


@pytest.mark.parametrize("name", ["val", "test", "clean", "Validation", "imagenet/val", "photos"])
def test_class_folders_in_a_folder(tmp_path: Path, name: str) -> None:
    assert detect_layout(tree(tmp_path, *classes(name))) == Layout(name, ("ant", "bee"))


def test_every_kind_of_set(tmp_path: Path) -> None:
    tree(tmp_path, *classes("val", "by-night", "renditions/2nd sketch", "object_focus/mixed_same"))
    tree(tmp_path, *classes("bg/mixed_rand/val"), *classes("few", names=("bee",)))
    tree(tmp_path, *classes("one_of_two/x", names=("ant", "bee")), "cc/ant1-bee2.ppm")
    tree(tmp_path, *(f"c/{name}/{severity}/ant/1.ppm" for name in CORRUPTIONS for severity in SEVERITIES))
    assert detect_layout(tmp_path) == Layout(
        "val",
        ("ant", "bee"),
        shifts={"by_night": "by-night", "x": "one_of_two/x", "set_2nd_sketch": "renditions/2nd sketch"},
        others={
            "mixed_same": "object_focus/mixed_same",
            "mixed_rand": "bg/mixed_rand/val",
            "cue_conflict": "cc",
            "corruptions": "c",
        },
        left_out={"few/bee": "no class folders"},
    )


def test_folders_that_are_no_sets(tmp_path: Path) -> None:
    tree(tmp_path, *classes("test", "val", "train", "masks", "training_2"), "train-notes/a.txt")
    tree(tmp_path, *classes("animals", names=("ant", "elk")), "c/fog/1/ant/1.ppm")
    layout = detect_layout(tmp_path)
    assert (layout.clean, layout.shifts, layout.others) == ("test", {}, {})
    assert layout.validation == {"val": "val"}
    assert layout.training == "train"
    assert layout.left_out == {
        "animals": "elk is not a class of test",
        "c": "74 of 75 corruptions and severities are missing",
        "masks": "masks",
        "train": "training images",
        "train-notes": "training images",
        "training_2": "training images",
    }


def test_validation_sets_are_no_shifts(tmp_path: Path) -> None:
    names = ("test", "val", "Val", "valid", "validation", "dev", "tuning", "train", "night")
    layout = detect_layout(tree(tmp_path, *classes(*names, "day/val", "day/dev", "x/val!", "eval")))
    assert layout.validation == {
        "val": "Val",
        "val_2": "val",
        **{name: name for name in ("dev", "tuning", "valid", "validation")},
    }
    assert layout.shifts == {"night": "night", "val_3": "x/val!"}
    assert set(layout.left_out) == {"train", "day/val", "day/dev", "eval"}
    assert layout.left_out["day/dev"] == "another split than test"


@pytest.mark.parametrize("names", [("val", "train"), ("val", "train", "dev"), ("dev", "train")])
def test_validation_images_without_test_images_are_the_clean_set(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    layout = detect_layout(tree(tmp_path, *classes(*names)))
    assert (layout.clean, layout.shifts) == (names[0], {})
    assert layout.validation == {name: name for name in names[2:]}


def test_classes_may_have_names_of_sets(tmp_path: Path) -> None:
    """CIFAR-100 has the class train, ImageNet the class mask."""
    tree(tmp_path, *classes("val", names=("bus", "mask", "train", "tram")))
    assert detect_layout(tmp_path) == Layout("val", ("bus", "mask", "train", "tram"))
    assert detect_layout(tmp_path / "val") == Layout(".", ("bus", "mask", "train", "tram"))


def test_folders_of_rejects_next_to_sets(tmp_path: Path) -> None:
    tree(tmp_path, *classes("val", "tuning", "other", "Not sure"), "rejects/1.ppm")
    layout = detect_layout(tree(tmp_path, "background/1.ppm", "blurry/1.ppm", "noise/1.ppm"))
    assert layout.unknown == {
        "background": "background",
        "not_sure": "Not sure",
        "other": "other",
        "rejects": "rejects",
    }
    assert (layout.shifts, layout.validation) == ({}, {"tuning": "tuning"})
    assert layout.left_out == dict.fromkeys(("blurry", "noise"), "no class folders")


def test_classes_may_have_names_of_rejects(tmp_path: Path) -> None:
    names = ("ant", "background", "other")
    tree(tmp_path, *classes("val", names=names), "other/1.ppm")
    assert detect_layout(tmp_path) == Layout("val", names, unknown={"other": "other"})
    assert detect_layout(tmp_path / "val") == Layout(".", names)
    tree(tmp_path, "val/ant/thumbs/1.ppm")
    text = "class folders (background, other) next to other folders (ant). Move the class folders into"
    assert f"{tmp_path}/val: {text} a folder val" in error_text(detect_layout, tmp_path)


def write_list(path: Path, *images: str, header: str = "path,label") -> None:
    """Write a CSV file; the label of an image is the name of its folder."""
    rows = [f"{image},{Path(image).parent.name}" for image in images]
    path.write_text("\n".join([header, *rows]), encoding="utf-8")


def test_lists_are_the_readers_of_sets(tmp_path: Path) -> None:
    """By the name of a folder or split."""
    images = classes("val", "dusk", "all")
    tree(tmp_path, *images, "rejects/1.ppm", "flat/ant.ppm", "flat/bee.ppm")
    write_list(tmp_path / "val.csv", *images[:2])
    write_list(tmp_path / "dusk.csv", *images[2:4])
    write_list(tmp_path / "dev.csv", *images[4:])
    (tmp_path / "test.csv").write_text("path,label\nflat/ant.ppm,ant\nflat/bee.ppm,bee\n", encoding="utf-8")
    layout = detect_layout(tmp_path)
    assert (layout.clean, layout.classes) == ("test.csv", ("ant", "bee"))
    assert set(layout.lists) == {"val.csv", "dusk.csv", "dev.csv", "test.csv"}
    assert layout.validation == {"dev": "dev.csv", "val": "val.csv"}
    assert (layout.shifts, layout.unknown) == ({"dusk": "dusk.csv"}, {"rejects": "rejects"})
    assert layout.left_out == {"all": "dev.csv lists its images"}


def test_training_images_of_a_list_are_in_no_set(tmp_path: Path) -> None:
    """The list of another split than its folder may leave some out."""
    images = classes("images", names=("ant", "bee", "cat"))
    write_list(tree(tmp_path, *images) / "val.csv", *images[:2])
    write_list(tmp_path / "train.csv", images[2])
    layout = detect_layout(tmp_path)
    assert (layout.clean, layout.classes, layout.shifts) == ("val.csv", ("ant", "bee"), {})
    assert layout.left_out == {"images": "val.csv lists its images", "train.csv": "training images"}
    write_list(tree(tmp_path / "sorted", *classes(".")) / "val.csv", *classes("."))
    assert detect_layout(tmp_path / "sorted").clean == "val.csv"


def test_lists_that_are_no_readers(tmp_path: Path) -> None:
    tree(tmp_path, *classes("val", "masks", "train"), "rejects/1.ppm")
    for name in ("Rejects", "a", "train_and_more"):
        write_list(tmp_path / f"{name}.csv", *classes("val"))
    write_list(tmp_path / "val.csv", *classes("val", "train"))
    write_list(tmp_path / "test.csv", header="path;label")
    write_list(tmp_path / "valid.csv", header="path,class")
    write_list(tmp_path / "eval.csv", "ant/1.ppm", "bee/1.ppm")
    write_list(tmp_path / "dev.csv", *classes("val")[:1])
    layout = detect_layout(tmp_path)
    assert (layout.clean, layout.lists) == ("val", {})
    header = "the header must name path and label, got "
    name = "its name is that of no set, as val.csv is"
    assert layout.left_out == {
        "Rejects.csv": name,
        "a.csv": name,
        "dev.csv": "its only label is 'ant', and a set needs two",
        "eval.csv": "eval.csv:2: there is no file ant/1.ppm",
        "masks": "masks",
        "test.csv": f"test.csv:1: {header}path;label",
        "train": "training images",
        "train_and_more.csv": "training images",
        "val.csv": "it lists images outside of val",
        "valid.csv": f"valid.csv:1: {header}path, class",
    }


def test_links_back_are_not_followed(tmp_path: Path) -> None:
    tree(tmp_path, *classes("val", "night"))
    (tmp_path / "a_link").symlink_to(tmp_path)
    (tmp_path / "same_night").symlink_to(tmp_path / "night")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert detect_layout(tmp_path) == Layout("val", ("ant", "bee"), shifts={"night": "night"})


def test_shifts_get_names_that_manifests_allow(tmp_path: Path) -> None:
    tree(tmp_path, *classes("val", "a/clean accuracy", "b/x_accuracy", "c1/x", "c2/x", "corruptions", "日本"))
    assert detect_layout(tmp_path).shifts == {
        "clean_accuracy_set": "a/clean accuracy",
        "x_accuracy_set": "b/x_accuracy",
        "x": "c1/x",
        "x_2": "c2/x",
        "corruptions_set": "corruptions",
        "set": "日本",
    }


NOTHING = (
    "Expected: val/<class>/<image>, <class>/<image>, or val.csv with the columns path and label. For other "
    "layouts write quba-data.yaml by hand (arrays, parquet and others)."
)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([], f"no test images in folders of two or more classes. {NOTHING}"),
        (
            [*classes("train"), "val/1.png", *classes("test", names=("ant",))],
            "no test images in folders of two or more classes, but test/ant (no class folders), train "
            f"(training images), val (no class folders). {NOTHING}",
        ),
        (
            classes("photos", "sketches", "mixed_same"),
            "several folders of images, and none is called clean or test or val: photos, sketches. Rename "
            "the one with the clean test images.",
        ),
        (
            ["ant/1.png", "bee/1.png", *classes("night")],
            "class folders (ant, bee) next to other folders (night). Move the class folders into a folder "
            "val, and images of no class into a folder rejects.",
        ),
        (
            ["images/1.png", "val.csv"],
            "no test images in folders of two or more classes, but val.csv (val.csv:1: the header must "
            f"name path and label, got nothing), images (no class folders). {NOTHING}",
        ),
    ],
)
def test_folders_without_clean_images(tmp_path: Path, files: list[str], text: str) -> None:
    tree(tmp_path, *files)
    assert error_text(detect_layout, tmp_path) == f"{tmp_path}: {text}"

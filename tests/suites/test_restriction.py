"""`restrict` in a manifest: which outputs of the models count."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.core.head import Head
from quba_check.errors import SuiteError
from quba_check.suites import open_suite
from quba_check.suites.label_spaces import imagenet_classes
from quba_check.suites.manifest.reading import Manifest, read_manifest

FRUIT = "apple\tapple, pippin\nbrick\nclay pot\npear\napple tart\n"
ALLOWED = (
    "Allowed: n01440764, n01443537, n01484850, n01491361, n01494475, n01496331, n01498041, n01514668, "
    "n01514859, n01518878 and 990 more."
)


def read(folder: Path, classes: str, restrict: str = "true") -> Manifest:
    (folder / "all.txt").write_text(FRUIT, encoding="utf-8")
    path = folder / "quba-data.yaml"
    path.write_text(
        f"schema: 1\nname: some\nclasses: {classes}\nrestrict: {restrict}\nsets: {{}}\n", encoding="utf-8"
    )
    return read_manifest(path, "quba-data.yaml")


def message(folder: Path, classes: str, restrict: str = "true") -> str:
    with pytest.raises(SuiteError) as raised:
        read(folder, classes, restrict)
    return str(raised.value)


@pytest.mark.parametrize(
    ("classes", "columns"),
    [
        ("[n01443537, n01440764]", (1, 0)),
        ("[goldfish, tench]", (1, 0)),
        ("['great white shark', 'tench, Tinca tinca']", (2, 0)),
        ("[great_white_shark, n01440764]", (2, 0)),
        ("{n01443537: fish, goose: bird}", (1, 99)),
    ],
)
def test_classes_of_imagenet_by_synset_or_by_name(tmp_path: Path, classes: str, columns: tuple) -> None:
    assert read(tmp_path, classes).head == Head(2, columns, 1000)


def test_classes_of_a_list_of_all(tmp_path: Path) -> None:
    assert read(tmp_path, "[pear, clay_pot, apple]", "all.txt").head == Head(3, (3, 2, 0), 5)


def test_all_of_imagenet_of_a_larger_list(tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text("\n".join(["background", *imagenet_classes()]), encoding="utf-8")
    manifest = read(tmp_path, "imagenet", "large.txt")
    assert manifest.head == Head(1000, tuple(range(1, 1001)), 1001)
    assert manifest.classes is None


def test_synsets_get_readable_names(tmp_path: Path) -> None:
    suite = open_suite(read_folder(tmp_path, "[n01443537, n01440764]"))
    assert suite.class_names == ("goldfish", "tench")
    assert suite.prompts.names == {}
    assert open_suite(read_folder(tmp_path, "{n01443537: my fish, n01440764: tench}")).class_names == (
        "my fish",
        "tench",
    )


def read_folder(folder: Path, classes: str) -> Path:
    read(folder, classes)
    return folder


def test_without_it_the_classes_are_the_outputs(tmp_path: Path) -> None:
    assert read(tmp_path, "[cat, dog]", "false").head is None
    assert open_suite(tmp_path).head == Head(2)


@pytest.mark.parametrize(
    ("classes", "is_subset"),
    [
        ("[n01443537, n01440764]", True),
        ("[goldfish, great_white_shark]", True),
        ("[goldfish, carp]", False),
        ("[goldfish, crane]", False),
        ("[goldfish, n01443537]", False),
        ("imagenet", False),
    ],
)
def test_a_subset_of_imagenet_is_recognised(tmp_path: Path, classes: str, is_subset: bool) -> None:
    read(tmp_path, classes, "false")
    assert open_suite(tmp_path).head.is_in_imagenet is is_subset


@pytest.mark.parametrize(
    ("classes", "restrict", "text"),
    [
        (
            "[tench, tensh]",
            "true",
            "quba-data.yaml:3: classes: 'tensh' is not a class of ImageNet, which restrict refers to. "
            f"Did you mean 'tench'? {ALLOWED}",
        ),
        (
            "\n  - tench\n  - crane",
            "true",
            "quba-data.yaml:5: classes: 'crane' names 2 classes of ImageNet. Allowed: n02012849, n03126707.",
        ),
        (
            "{tench: a, n01440764: b}",
            "true",
            "quba-data.yaml:3: classes: 'n01440764' is the same class of ImageNet as 'tench' (n01440764). "
            "Remove one of them.",
        ),
        (
            "[pear, apples]",
            "all.txt",
            "quba-data.yaml:3: classes: 'apples' is not a class of all.txt, which restrict refers to. "
            "Did you mean 'apple'? Allowed: apple, brick, clay pot, pear, apple tart.",
        ),
        (
            "imagenet",
            "true",
            "quba-data.yaml:4: restrict: classes: imagenet keeps all of ImageNet's classes. List the classes "
            "to score under classes, or remove restrict.",
        ),
        (
            "[pear, apple]",
            "imagenet",
            "quba-data.yaml:4: restrict: got text 'imagenet'. Allowed: true (some of ImageNet's classes are "
            "scored), false, or a .txt file with all classes of the models.",
        ),
    ],
)
def test_mistakes(tmp_path: Path, classes: str, restrict: str, text: str) -> None:
    assert message(tmp_path, classes, restrict) == text

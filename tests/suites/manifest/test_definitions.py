"""Classes, label spaces, prompts and restrictions of manifests."""

from pathlib import Path

import pytest
from support.suites import error_text, error_texts, manifest, suite_of
from syrupy.assertion import SnapshotAssertion

from quba_check.core.classes import Head, Prompts
from quba_check.suites.label_spaces import ClassList, imagenet_classes, imagenet_list

SETS = "sets: {}"
SYNSETS = ClassList(("n01440764", "n01443537"), ("tench", "goldfish"))


def test_classes_may_have_readable_names_also_in_a_file_next_to_the_manifest(tmp_path: Path) -> None:
    assert manifest(tmp_path, SETS, "{n01440764: tench, n01443537: goldfish}").classes == SYNSETS
    (tmp_path / "fish.txt").write_text("n01440764\ttench\nn01443537\tgoldfish\n\n", encoding="utf-8-sig")
    assert manifest(tmp_path, SETS, "fish.txt").classes == SYNSETS
    (tmp_path / "fish.txt").write_text("great white shark\neel\n")
    assert manifest(tmp_path, SETS, "fish.txt").classes == ClassList.plain(["great white shark", "eel"])


def test_wrong_class_lists(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    classes = [
        "imagenets",
        "10",
        "{a: ant, b: 1}",
        "{a: ant}",
        "[a, 1]",
        "[a]",
        "\n  - café\n  - cafe\u0301",
        "{café: a, b: b, cafe\u0301: c}",
        "\n  - a\n  - b\n  - a",
    ]
    assert error_texts(lambda text: manifest(tmp_path, SETS, text), classes) == snapshot


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"eel\n", "{}/fish.txt: got one class. Allowed: two or more."),
        (b"eel\ncod\n\neel\tagain\n", "{}/fish.txt:4: 'eel' is listed twice, first in line 1."),
        (None, "quba-data.yaml:3: classes: {}/fish.txt: there is no such file."),
    ],
)
def test_mistakes_in_a_class_file(tmp_path: Path, content: bytes | None, text: str) -> None:
    if content:
        (tmp_path / "fish.txt").write_bytes(content)
    assert error_text(manifest, tmp_path, SETS, "fish.txt") == text.format(tmp_path)


def test_the_names_of_another_list_are_matched_by_name() -> None:
    classes = ClassList(("n1", "n2", "n3", "n4"), ("crane", "ox", "crane", "n1"))
    assert classes.positions_of(["ox", "n3", "n1", "emu"]) == [1, 2, 0, None]
    assert classes.positions_of(["crane", "ox", "crane"]) == [0, 1, 2]
    assert classes.positions_of(["ox", "crane"]) == [1, None]
    assert classes.positions_of(["crane", "ox2", "crane2"]) == [0, 1, 2]
    assert classes.positions_of(["ox2", "crane2"]) == [None, None]


@pytest.mark.parametrize(
    ("classes", "columns", "titles"),
    [
        ("{crane: n03126707, goldfish: goldfish}", (517, 1), ("crane", "goldfish")),
        ("{bird: n02012849, machine: n03126707}", (134, 517), ("bird", "machine")),
        ("['maillot, tank suit', n03710637]", (639, 638), ("maillot, tank suit", "maillot")),
    ],
)
def test_names_that_imagenet_has_twice(
    tmp_path: Path, classes: str, columns: tuple[int, ...], titles: tuple[str, ...]
) -> None:
    found = manifest(tmp_path, f"restrict: true\n{SETS}", classes)
    assert (found.head.columns, found.classes.titles) == (columns, titles)


def test_names_of_imagenet_on_hugging_face_are_its_synsets() -> None:
    classes = imagenet_list()
    names = list(classes.titles)
    names[517] = "crane2"
    assert classes.positions_of(names) == list(range(1000))
    assert classes.positions_of(["goldfish, Carassius auratus", "n01440764", "goldfish"]) == [1, 0, None]


def test_unknown_imagenet_classes_are_reported_with_the_nearest(tmp_path: Path) -> None:
    text = f"{SETS}\nspaces: {{pets: {{dog: [n0209960], cat: [n02123045]}}}}"
    assert error_text(manifest, tmp_path, text, "imagenet") == (
        "quba-data.yaml:5: spaces.pets.dog: unknown class 'n0209960'. "
        "Allowed: n01440764, n01443537, n01484850, n01491361, n01494475, n01496331, n01498041, n01514668, "
        "n01514859, n01518878 and 990 more. Did you mean 'n02099601'?"
    )


@pytest.mark.parametrize(
    ("classes", "prompts", "expected"),
    [
        (
            "[apple, kiwi]",
            "prompts: {templates: ['a photo of a {}.', '{}, ripe'], names: {kiwi: kiwi fruit}}",
            Prompts(("a photo of a {}.", "{}, ripe"), {"kiwi": "kiwi fruit"}),
        ),
        ("[apple, kiwi]", "", Prompts((), {})),
        ("[apple, kiwi]", "prompts: {}", Prompts((), {})),
        ("imagenet", "prompts: {names: {n01440764: tench}}", Prompts((), {"n01440764": "tench"})),
        ("{n1: tench, n2: ray, crane: crane}", "", Prompts((), {"n1": "tench", "n2": "ray"})),
        ("{n1: tench, n2: ray}", "prompts: {names: {n2: a}}", Prompts((), {"n1": "tench", "n2": "a"})),
    ],
)
def test_prompts(tmp_path: Path, classes: str, prompts: str, expected: Prompts) -> None:
    assert manifest(tmp_path, f"{SETS}\n{prompts}", classes).prompts == expected


def test_wrong_prompts(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    mistakes = [
        "prompts: {template: [x]}",
        "prompts: [x]",
        "prompts: {templates: []}",
        "prompts:\n  templates: of {}",
        "prompts:\n  templates:\n  - a {}\n  - a photo",
        "prompts:\n  names:\n    aple: red apple",
        "prompts:\n  names:\n    apple: ' '",
        "prompts:\n  names:\n    apple: 3",
        "prompts:\n  names:\n    apple: fruit\n    kiwi: fruit",
    ]
    assert error_texts(lambda text: manifest(tmp_path, f"{SETS}\n{text}"), mistakes) == snapshot


LISTS = {"all.txt": ["apple\tapple, pippin", "brick", "clay pot", "pear", "apple tart"]}
LISTS["large.txt"] = ["background", *imagenet_classes()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two lists of classes."""
    for name, rows in LISTS.items():
        (tmp_path / name).write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("classes", "restrict", "head"),
    [
        ("[n01443537, n01440764]", "true", Head(2, (1, 0), 1000)),
        ("[goldfish, tench]", "true", Head(2, (1, 0), 1000)),
        ("['great white shark', 'tench, Tinca tinca']", "true", Head(2, (2, 0), 1000)),
        ("[great_white_shark, n01440764]", "true", Head(2, (2, 0), 1000)),
        ("{n01443537: fish, goose: bird}", "true", Head(2, (1, 99), 1000)),
        ("[pear, clay_pot, apple]", "all.txt", Head(3, (3, 2, 0), 5)),
        ("imagenet", "large.txt", Head(1000, tuple(range(1, 1001)), 1001)),
        ("[cat, dog]", "false", None),
    ],
)
def test_columns_of_a_restricted_model(root: Path, classes: str, restrict: str, head: Head | None) -> None:
    assert manifest(root, f"restrict: {restrict}\n{SETS}", classes).head == head


def test_synsets_of_a_restricted_model_get_readable_names(tmp_path: Path) -> None:
    text = f"restrict: true\n{SETS}"
    suite = suite_of(tmp_path, text, "[n01443537, n01440764]")
    assert (suite.class_names, suite.prompts.names) == (("goldfish", "tench"), {})
    suite = suite_of(tmp_path, text, "{n01443537: my fish, n01440764: tench}")
    assert suite.class_names == ("my fish", "tench")


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
    head = suite_of(tmp_path, SETS, classes).head
    assert head == Head(1000 if classes == "imagenet" else 2, is_in_imagenet=is_subset)


def test_wrong_restrictions(root: Path, snapshot: SnapshotAssertion) -> None:
    mistakes = [
        "[tench, tensh]\nrestrict: true",
        "\n  - tench\n  - crane\nrestrict: true",
        "{tench: a, n01440764: b}\nrestrict: true",
        "[pear, apples]\nrestrict: all.txt",
        "imagenet\nrestrict: true",
        "[pear, apple]\nrestrict: imagenet",
    ]
    assert error_texts(lambda text: manifest(root, SETS, text), mistakes) == snapshot

"""Suites: from a data folder and a view to images and labels, and errors on the way."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.suites import error_text, png, suite_of, tree, write_manifest, write_tar

from quba_check.core.classes import LabelSpace
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, View
from quba_check.suites import Example, SetCount, Suite, open_suite
from quba_check.suites.label_spaces import built_in_space, imagenet_classes
from quba_check.suites.manifest.reading import read_manifest

FOG_3 = View("corruptions", corruption="fog", severity=3)
CLASSES = "[apple, pear]"
SETS = """\
image_size: 32
sets:
  clean: {reader: folder, path: val, expected: 4}
  corruptions: {reader: folder, path: c, expected: 3, prepared: true, partial: true}
  shifts:
    sketch: {reader: csv, path: lists/sketch.csv, space: size}
    painted: {reader: folder, path: painted}
  cue_conflict: {reader: cue-conflict, path: cc, prepared: true}
spaces: {size: {big: [pear], small: [apple]}}
"""
EXPECTED = (
    "Expected in it: quba-data.yaml, or the published layout (imagenet/val, imagenet-c, imagenet-r, "
    "modelvshuman, bg_challenge)."
)
ADD = (
    "Add them, or allow it in quba-data.yaml: partial: true in the set's entry, or restrict: true to score "
    "only classes that have folders."
)
ASSUMED = "The published layout is assumed, without a quba-data.yaml; quba-check init {} writes one."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_manifest(tmp_path, SETS, CLASSES)
    tree(tmp_path, "val/pear/2.png", "val/pear/1.png", "val/apple/1.png", content=png())
    tree(tmp_path, *(f"c/{name}/pear/1.png" for name in ("fog/3", "fog/4", "speckle_noise/1")))
    tree(tmp_path, "images/s.png", "cc/apple1-pear2.png", "lists/sketch.csv")
    (tmp_path / "lists/sketch.csv").write_text("path,label\n../images/s.png,small\n")
    return tmp_path


@pytest.fixture
def suite(root: Path) -> Suite:
    return open_suite(root)


def test_what_a_suite_knows_before_any_image_is_read(suite: Suite, root: Path) -> None:
    assert (suite.name, suite.root, suite.classes, suite.image_size) == ("fruit", root, ("apple", "pear"), 32)
    facts = suite.facts
    assert (facts.name, facts.class_count, facts.shifts) == ("fruit", 2, ("sketch", "painted"))
    assert facts.class_names == suite.class_names == ("apple", "pear")
    assert facts.corruptions == CORRUPTIONS
    assert not facts.generates_corruptions
    assert facts.spaces == {
        "clean": None,
        "corruptions": None,
        "sketch": "size",
        "painted": None,
        "cue_conflict": None,
    }


def test_examples_are_numbered_and_named_from_the_root(suite: Suite, root: Path) -> None:
    assert suite.examples(CLEAN) == (
        Example(0, "val/apple/1.png", 0),
        Example(1, "val/pear/1.png", 1),
        Example(2, "val/pear/2.png", 1),
    )
    assert suite.examples(FOG_3) == (Example(0, "c/fog/3/pear/1.png", 1),)
    assert suite.examples(View("cue_conflict")) == (Example(0, "cc/apple1-pear2.png", 0, 1),)
    assert suite.path(suite.examples(CLEAN)[0]) == root / "val/apple/1.png"


def test_attacks_columns_and_spaces_do_not_change_the_images(suite: Suite) -> None:
    assert suite.examples(FGSM) is suite.examples(PGD) is suite.examples(CLEAN.read_in("size"))


def test_spaces(suite: Suite) -> None:
    assert suite.space(None) == suite.space_of("clean") == LabelSpace.own(("apple", "pear"))
    assert suite.space("size") == LabelSpace("size", ("big", "small"), ((1,), (0,)), "mean")
    assert error_text(suite.space, "imagenet_to_16") == (
        f"{suite.root}/quba-data.yaml: unknown label space 'imagenet_to_16'."
    )


def test_missing_sets_are_reported(suite: Suite, root: Path) -> None:
    assert suite.missing(CLEAN) is None
    assert suite.missing(FGSM) is None
    assert suite.missing(View("painted")) == f"the set 'painted' is missing: looked for {root}/painted"
    snow = View("corruptions", corruption="snow", severity=1)
    assert suite.missing(snow) == (f"the set 'corruptions/snow/1' is missing: looked for {root}/c/snow/1")
    assert suite.missing(View("mixed_same")) == f"{root}/quba-data.yaml declares no set 'mixed_same'"


def test_asking_for_images_that_are_not_there_is_an_error(suite: Suite, root: Path) -> None:
    assert error_text(suite.examples, View("painted")) == (
        f"{root}: the set 'painted' is missing: looked for {root}/painted."
    )
    assert error_text(suite.examples, View("skech")) == (
        f"{root}/quba-data.yaml: unknown set 'skech'. "
        "Allowed: clean, corruptions, sketch, painted, cue_conflict. Did you mean 'sketch'?"
    )


def test_a_folder_set_lacks_no_class_unless_it_says_so(suite: Suite, root: Path) -> None:
    tree(root, "painted/pear/1.png")
    assert error_text(suite.examples, View("painted")) == (
        f"{root}/painted: class folders are missing, got 1 of 2. Missing: apple. {ADD}"
    )
    assert len(suite.examples(FOG_3)) == 1


def test_counts_and_expected_counts(suite: Suite) -> None:
    assert suite.counts() == {
        "clean": SetCount(3, 4),
        "corruptions": SetCount(2, 6),  # two conditions are there, 3 images expected of each
        "sketch": SetCount(1, None),
        "cue_conflict": SetCount(1, None),
    }
    assert suite.counts([CLEAN, FGSM, FOG_3]) == {"clean": SetCount(3, 4), "corruptions": SetCount(1, 3)}


def test_files_that_are_not_read_have_a_note(suite: Suite, root: Path) -> None:
    assert suite.unread_notes() == []
    tree(root, "val/pear/3.gif", "c/fog/3/pear/x.avif", "c/fog/4/pear/more/y.png")
    notes = [
        "clean: 1 file is not read: pear/3.gif",
        "corruptions: 2 files are not read, such as pear/x.avif",
    ]
    assert open_suite(root).unread_notes() == notes
    assert open_suite(root).unread_notes([CLEAN]) == notes[:1]
    stored = "{reader: folder, path: c, expected: 3, prepared: true, partial: true}"
    generated = suite_of(root, SETS.replace(stored, "{generate: from clean}"), CLASSES)
    assert generated.unread_notes() == notes[:1]


def test_listings_are_cached_up_to_a_number_of_images(
    suite: Suite, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(root, "painted/apple/1.png", "painted/pear/1.png", *(f"c/fog/{k}/pear/1.png" for k in range(1, 6)))
    first = suite.examples(CLEAN)
    for view in suite.views():
        suite.examples(view)
    assert suite.examples(CLEAN) is first  # however many views
    monkeypatch.setattr("quba_check.suites.suite._CACHED_EXAMPLES", 4)
    fog = suite.examples(FOG_3)  # three clean images and one more
    assert suite.examples(CLEAN) is first
    suite.examples(
        View("corruptions", corruption="fog", severity=4)
    )  # the one that was not used for the longest time is dropped
    assert suite.examples(CLEAN) is first
    assert suite.examples(FOG_3) is not fog
    assert suite.examples(FOG_3) == fog


def test_generated_corruptions_are_the_clean_images(root: Path) -> None:
    clean = "{reader: folder, path: val, expected: 3, prepared: true}"
    suite = suite_of(root, f"sets: {{clean: {clean}, corruptions: {{generate: from clean}}}}", CLASSES)
    assert suite.facts.generates_corruptions
    assert suite.is_generated(FOG_3)
    assert not suite.is_generated(CLEAN)
    assert suite.examples(FOG_3) is suite.examples(CLEAN)
    assert suite.encoding is None
    assert suite.is_prepared(FOG_3)
    assert suite.counts()["corruptions"] == SetCount(75 * 3, 75 * 3)
    (root / "val").rename(root / "moved")
    assert suite.missing(FOG_3) == f"the set 'clean' is missing: looked for {root}/val"


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1"])
def test_images_are_rgb_whatever_the_file_holds(suite: Suite, root: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    Image.new(mode, (4, 3)).save(root / f"val/apple/mode.{suffix}")
    example = Example(0, f"val/apple/mode.{suffix}", 0)
    assert (suite.image(example).mode, suite.image(example).size) == ("RGB", (4, 3))


def test_an_orientation_in_exif_is_not_applied(suite: Suite, root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    Image.new("RGB", (4, 3)).save(root / "val/apple/turned.jpg", exif=exif)
    assert suite.image(Example(0, "val/apple/turned.jpg", 0)).size == (4, 3)


def cut(path: Path) -> bytes:
    """A PNG that ends in the middle of its pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()[:6000]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda _: b"", "no image format recognises it"),
        (lambda _: b"not an image", "no image format recognises it"),
        (cut, "image file is truncated"),
    ],
)
def test_images_that_cannot_be_decoded_are_named(
    suite: Suite, root: Path, content: Callable[[Path], bytes], reason: str
) -> None:
    path = root / "val/apple/1.png"
    path.write_bytes(content(path))
    text = error_text(suite.image, suite.examples(CLEAN)[0])
    assert text.startswith(f"{path}: cannot be decoded as an image ({reason}")
    assert text.endswith("). Replace or remove the file.")


def test_an_image_that_went_away_is_named(suite: Suite, root: Path) -> None:
    example = suite.examples(CLEAN)[0]
    suite.path(example).unlink()
    assert error_text(suite.image, example) == (
        f"{root}/val/apple/1.png: cannot be decoded as an image (No such file or directory). "
        "Replace or remove the file."
    )


# -- containers -------------------------------------------------------------------------------------------


def suite_with(root: Path, sketch: str) -> Suite:
    text = f"sets: {{shifts: {{sketch: {sketch}}}}}\nspaces: {{size: {{big: [pear], small: [apple]}}}}"
    return suite_of(root, text, CLASSES)


def test_labels_in_a_container_are_in_the_declared_space(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 3, 4), np.uint8), labels=["small", "big"])
    suite = suite_with(tmp_path, "{reader: arrays, path: x.npz, space: size}")
    assert suite.examples(View("sketch")) == (
        Example(0, "x.npz", 1, member="images/0", reader="arrays"),
        Example(1, "x.npz", 0, member="images/1", reader="arrays"),
    )
    assert suite.image(suite.examples(View("sketch"))[1]).size == (4, 3)


def test_missing_containers_are_reported(tmp_path: Path) -> None:
    looked = "the set 'sketch' is missing: looked for"
    assert error_text(suite_with, tmp_path, '{reader: webdataset, path: "s-{0..1}.tar"}') == (
        f"{tmp_path}/quba-data.yaml: none of its sets exists: {looked} {tmp_path}/s-{{0..1}}.tar. "
        "Correct the paths, or name another folder."
    )
    manifest = read_manifest(tmp_path / "quba-data.yaml", "quba-data.yaml")
    shards = Suite(tmp_path, manifest)
    assert shards.missing(View("sketch")) == f"{looked} {tmp_path}/s-{{0..1}}.tar"
    (tmp_path / "s-1.tar").touch()
    assert shards.missing(View("sketch")) is None
    assert error_text(shards.examples, View("sketch")) == (
        f"{tmp_path}/s-{{0..1}}.tar: there is no file s-0.tar."
    )
    np.save(tmp_path / "x.npy", np.zeros((1, 2, 2), np.uint8))
    np.save(tmp_path / "y.npy", np.zeros(1, np.uint8))
    pair = suite_with(tmp_path, "{reader: arrays, images: x.npy, labels: y.npy}")
    (tmp_path / "y.npy").unlink()
    assert pair.missing(View("sketch")) == f"{looked} {tmp_path}/y.npy"


def test_corruptions_in_shards_and_in_arrays(tmp_path: Path) -> None:
    def corrupted(reader: str) -> Suite:
        text = f"sets: {{corruptions: {{reader: {reader}, path: {reader}}}}}"
        return suite_of(tmp_path, text, CLASSES)

    shards = tmp_path / "webdataset/fog/3"
    shards.mkdir(parents=True)
    write_tar(shards / "0.tar", {"1.png": b"", "1.cls": b""})
    assert error_text(corrupted("webdataset").examples, FOG_3) == (
        f"{shards}/0.tar[1.cls]: unknown class ''. Allowed: apple, pear."
    )
    (tmp_path / "arrays").mkdir()
    pixels = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    np.save(tmp_path / "arrays/fog.npy", pixels)
    suite = corrupted("arrays")
    assert suite.missing(FOG_3) == (
        f"the set 'corruptions/fog/3' is missing: looked for {tmp_path}/arrays/labels.npy"
    )
    np.save(tmp_path / "arrays/labels.npy", [0, 1] * 5)
    examples = suite.examples(FOG_3)
    assert [(e.index, e.name, e.label, e.member) for e in examples] == [
        (0, "arrays/fog.npy", 0, "4"),
        (1, "arrays/fog.npy", 1, "5"),
    ]
    assert np.asarray(suite.image(examples[1])).max() == 5
    assert suite.views() == tuple(View("corruptions", "fog", severity) for severity in range(1, 6))
    assert suite.counts() == {"corruptions": SetCount(10, None)}


def test_members_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    write_tar(tmp_path / "s.tar", {"7.png": b"not an image", "7.cls": b"pear"})
    suite = suite_with(tmp_path, "{reader: webdataset, path: s.tar}")
    assert error_text(suite.image, suite.examples(View("sketch"))[0]) == (
        f"{tmp_path}/s.tar[7.png]: cannot be decoded as an image (no image format recognises it). "
        "Replace or remove it."
    )
    parquet.write_table(pyarrow.table({"image": [b""], "label": ["pear"]}), tmp_path / "s.parquet")
    suite = suite_with(tmp_path, "{reader: parquet, path: s.parquet}")
    assert error_text(suite.image, suite.examples(View("sketch"))[0]) == (
        f"{tmp_path}/s.parquet[image/0]: cannot be decoded as an image "
        "(its bytes are not stored in the file). Replace or remove it."
    )


# -- data folders -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dta", "there is no such data folder. Allowed: an existing folder. Did you mean 'data'?"),
        ("no/such", "there is no such data folder. Allowed: an existing folder."),
        ("empty", f"the data folder is empty. {EXPECTED} Name another folder."),
        (
            "data",
            f"the data folder holds no suite, got cats, dogs. {EXPECTED} For folders of images, quba-check "
            "init {} writes a quba-data.yaml.",
        ),
        ("file", "is a file, not a data folder. Allowed: a folder, such as {}."),
    ],
)
def test_data_folders_without_a_suite(tmp_path: Path, name: str, text: str) -> None:
    tree(tmp_path, "data/cats/0", "data/dogs/0", "file")
    (tmp_path / "empty").mkdir()
    path = tmp_path / name
    shown = text.format(tmp_path if name == "file" else path)
    assert error_text(open_suite, path) == f"{path}: {shown}"


# -- the published layout ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published layout, a few images a set; one file, linked, for all of them."""
    root = tmp_path_factory.mktemp("published")
    picture = tree(root, "picture.png", content=png()) / "picture.png"

    def link(name: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).hardlink_to(picture)

    for synset in imagenet_classes():
        link(f"imagenet/val/{synset}/ILSVRC2012_val_{synset}.JPEG")
    for synset in built_in_space("imagenet_r").classes:
        link(f"imagenet-r/{synset}/art_0.jpg")
    link("imagenet-c/fog/3/n01440764/ILSVRC2012_val_00000293.JPEG")
    categories = built_in_space("imagenet_to_16").classes
    for category in categories:
        link(f"modelvshuman/edge/{category}/{category}1.png")
        link(f"modelvshuman/silhouette/{category}/{category}1.png")
        link(f"modelvshuman/cue-conflict/{category}/{category}1-oven2.png")
        link(f"modelvshuman/sketch/dnn/session-1/0001_ske_dnn_0_{category}_00_{category}-0001-sketch-0.png")
        link(f"modelvshuman/stylized/dnn/session-1/0001_sty_dnn_0_{category}_00_{category}1-0-0.png")
    for number, name in enumerate(built_in_space("imagenet_to_in9").classes):
        link(f"bg_challenge/mixed_same/val/{number:02}_{name}/fg_1_bg_1.JPEG")
        link(f"bg_challenge/mixed_rand/val/{number:02}_{name}/fg_1_bg_2.JPEG")
    return root


def test_the_published_layout_needs_no_manifest(published: Path) -> None:
    suite = open_suite(published)
    assert suite.facts.class_count == len(suite.classes) == 1000
    assert suite.class_names[:2] == ("tench, Tinca tinca", "goldfish, Carassius auratus")
    assert {view.set for view in suite.views() if not suite.is_prepared(view)} == {"clean", "imagenet_r"}
    rules = {name: suite.space_of(name).by for name in ("imagenet_r", "sketch", "mixed_same", "cue_conflict")}
    assert rules == {"imagenet_r": "argmax", "sketch": "mean", "mixed_same": "map", "cue_conflict": "mean"}
    assert suite.facts.shifts == ("imagenet_r", "sketch", "stylized", "edge", "silhouette")
    assert suite.counts() == {
        "clean": SetCount(1000, 50000),
        "corruptions": SetCount(1, 50000),
        "imagenet_r": SetCount(200, 30000),
        "sketch": SetCount(16, 800),
        "stylized": SetCount(16, 800),
        "edge": SetCount(16, 160),
        "silhouette": SetCount(16, 160),
        "mixed_same": SetCount(9, 4050),
        "mixed_rand": SetCount(9, 4050),
        "cue_conflict": SetCount(16, 1280),
    }


def test_published_labels_are_those_of_folder_and_file_names(published: Path) -> None:
    suite = open_suite(published)
    for name in ("edge", "sketch", "mixed_rand", "cue_conflict"):
        classes = suite.space_of(name).classes
        for example in suite.examples(View(name)):
            assert classes[example.label] in example.name
    assert [example.label for example in suite.examples(View("mixed_same"))] == list(range(9))
    assert {example.texture for example in suite.examples(View("cue_conflict"))} == {14}
    assert [example.label for example in suite.examples(View("imagenet_r"))] == list(range(200))


def test_a_validation_folder_without_all_classes(tmp_path: Path) -> None:
    suite = open_suite(tree(tmp_path, "imagenet/val/n01443537/1.png"))
    assert error_text(suite.examples, CLEAN) == (
        f"{tmp_path}/imagenet/val: class folders are missing, got 1 of 1000. Missing: n01440764, n01484850, "
        "n01491361, n01494475, n01496331, n01498041, n01514668, n01514859, n01518878, n01530575 and 989 more."
        f" {ADD} {ASSUMED.format(tmp_path)}"
    )


def test_a_validation_folder_that_was_not_sorted_into_classes(tmp_path: Path) -> None:
    path = "imagenet/val/ILSVRC2012_val_00000001.png"
    assert error_text(open_suite(tree(tmp_path, path)).examples, CLEAN) == (
        f"{tmp_path}/{path}: an image outside the class folders. Expected: <class>/<image>. "
        f"{ASSUMED.format(tmp_path)}"
    )


def test_opening_a_suite_and_drawing_the_demo_import_no_torch(published: Path) -> None:
    code = (
        "import sys; import quba_check.demo.suite; from quba_check.suites import open_suite; "
        "suite = open_suite(sys.argv[1]); suite.counts(); "
        "sys.exit(bool({'timm', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, published], check=False).returncode == 0

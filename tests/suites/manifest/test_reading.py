"""Manifests: what is read from a right one, and the exact text for every mistake in a wrong one."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from quba_check.core.label_space import LabelSpace
from quba_check.core.serving import Resize, ServingPipeline
from quba_check.core.view import View
from quba_check.errors import SuiteError
from quba_check.suites import suite_schema
from quba_check.suites.class_list import ClassList
from quba_check.suites.manifest.reading import Manifest, read_manifest
from quba_check.suites.manifest.set_schema import CorruptionsEntry, CsvEntry, FolderEntry, ReaderInput
from quba_check.suites.readers import READERS

HEAD = """\
schema: 1
name: fruit
classes: [apple, pear, kiwi]
"""


def read(tmp_path: Path, text: str) -> Manifest:
    path = tmp_path / "quba-data.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return read_manifest(path, "quba-data.yaml")


def test_a_full_manifest(tmp_path: Path) -> None:
    manifest = read(
        tmp_path,
        """\
        schema: 1
        name: my fruit
        classes: [apple, pear, kiwi]
        image_size: 64
        sets:
          clean: {reader: folder, path: val, expected: 30}
          corruptions: {reader: folder, path: c, prepared: true, partial: true}
          shifts:
            sketch: {reader: csv, path: sketch.csv, space: coarse}
            painted: {reader: folder, path: painted}
          mixed_same: {reader: folder, path: same, space: coarse}
          mixed_rand: {reader: folder, path: rand, space: coarse}
          cue_conflict: {reader: cue-conflict, path: cc, space: best}
        spaces:
          coarse: {round: [apple, kiwi], long: [pear]}
          best: {by: argmax, long: [pear], round: [apple]}
        """,
    )
    assert manifest.name == "my fruit"
    assert manifest.classes == ClassList(("apple", "pear", "kiwi"), ("apple", "pear", "kiwi"))
    assert manifest.entry.image_size == 64
    assert list(manifest.entry.sets.shifts) == ["sketch", "painted"]
    assert list(manifest.sets) == [
        "clean",
        "corruptions",
        "sketch",
        "painted",
        "mixed_same",
        "mixed_rand",
        "cue_conflict",
    ]
    clean = FolderEntry(reader="folder", path="val", expected=30, prepared=False, partial=False, space=None)
    assert manifest.sets["clean"] == clean
    assert clean.source_of(View("clean")) == ReaderInput("val", {"partial": False})
    corruptions = CorruptionsEntry(reader="folder", path="c", expected=None, prepared=True, partial=True)
    assert manifest.sets["corruptions"] == corruptions
    assert corruptions.source_of(View("corruptions")) == ReaderInput("c", {"partial": True})
    sketch = CsvEntry(reader="csv", path="sketch.csv", expected=None, prepared=False, space="coarse")
    assert manifest.sets["sketch"] == sketch
    assert sketch.source_of(View("clean")) == ReaderInput("sketch.csv")
    assert manifest.spaces == {
        "coarse": LabelSpace("coarse", ("round", "long"), ((0, 2), (1,)), "mean"),
        "best": LabelSpace("best", ("long", "round"), ((1,), (0,)), "argmax"),
    }


def test_corruptions_may_be_generated(tmp_path: Path) -> None:
    text = HEAD + "sets:\n" + CLEAN + "  corruptions: {generate: from clean, encode: jpeg85}\n"
    corruptions = read(tmp_path, text).sets["corruptions"]
    assert (corruptions.reader, corruptions.expected, corruptions.encode) == (None, None, "jpeg85")
    assert corruptions.source_of(View("corruptions")) == ReaderInput("")


def test_options_of_readers(tmp_path: Path) -> None:
    sets = read(
        tmp_path,
        HEAD
        + """\
        sets:
          shifts:
            a: {reader: arrays, path: x.npz, images: x_test}
            b: {reader: arrays, images: t10k-images.gz, labels: t10k-labels.gz}
            c: {reader: hf, path: cifar, split: test, image: img}
            d: {reader: parquet, path: d.parquet}
            e: {reader: webdataset, path: "val-{00..04}.tar"}
        """.replace("        ", ""),
    ).sets
    assert {name: one.source_of(View("clean")) for name, one in sets.items()} == {
        "a": ReaderInput("x.npz", {"images": "x_test", "labels": "labels"}, {}),
        "b": ReaderInput("t10k-images.gz", {}, {"labels": "t10k-labels.gz"}),
        "c": ReaderInput("cifar", {"split": "test", "image": "img", "label": "label"}, {}),
        "d": ReaderInput("d.parquet", {"image": None, "label": "label"}, {}),
        "e": ReaderInput("val-{00..04}.tar", {}, {}),
    }


def test_built_in_spaces_go_by_their_own_name_or_another(tmp_path: Path) -> None:
    manifest = read(
        tmp_path,
        """\
        schema: 1
        name: mine
        classes: imagenet
        sets:
          mixed_same: {reader: folder, path: a, space: nine}
          mixed_rand: {reader: folder, path: b, space: imagenet_to_in9}
        spaces: {nine: imagenet_to_in9, pets: {dog: [n02099601, n02099712], cat: [n02123045]}}
        """,
    )
    assert manifest.classes is None
    assert (manifest.spaces["nine"].name, manifest.spaces["nine"].by) == ("nine", "map")
    assert manifest.spaces["pets"].members == ((207, 208), (281,))


SETS = "sets: {}\n"
CLEAN = "  clean: {reader: folder, path: val}\n"
MISTAKES = {
    "unknown key": (
        "sets:\n  cleen: {reader: folder, path: val}\n",
        "5: sets: unknown key 'cleen'. Did you mean 'clean'? "
        "Allowed: clean, corruptions, shifts, mixed_same, mixed_rand, cue_conflict, unknown.",
    ),
    "clean is in the model's own space": (
        "sets:\n  clean: {reader: folder, path: val, space: coarse}\n",
        "5: sets.clean.space: clean images are labelled in the model's own classes, got 'coarse'. "
        "Remove the key.",
    ),
    "key of another reader": (
        "sets:\n  shifts:\n    sketch: {reader: csv, path: s.csv, partial: true}\n",
        "6: sets.shifts.sketch: 'partial' belongs to reader: folder, got reader: csv. "
        "Allowed: reader, path, expected, prepared, space, group, slices, properties.",
    ),
    "reader misspelt": (
        "sets:\n  clean: {raeder: folder, path: val}\n",
        "5: sets.clean: unknown key 'raeder'. Did you mean 'reader'? "
        "Allowed: reader, path, expected, prepared, space, group, slices, properties, partial, real_labels, "
        "image, label, split, images, labels.",
    ),
    "key of two other readers": (
        "sets:\n  clean: {reader: webdataset, path: val, label: fine_label}\n",
        "5: sets.clean: 'label' belongs to reader: parquet or hf, got reader: webdataset. "
        "Allowed: reader, path, expected, prepared, space, group, slices, properties.",
    ),
    "arrays without a file": (
        "sets:\n  clean: {reader: arrays, expected: 3}\n",
        "5: sets.clean: got no file. Allowed: path of an .npz file, or images and labels.",
    ),
    "unknown reader": (
        "sets:\n  clean: {reader: foldr, path: val}\n",
        "5: sets.clean.reader: got text 'foldr'. "
        "Allowed: folder, csv, parquet, webdataset, hf, arrays, model-vs-human. Did you mean 'folder'?",
    ),
    "unknown space": (
        "sets:\n  shifts:\n    sketch: {reader: csv, path: s.csv, space: corse}\n"
        "spaces:\n  coarse: {round: [apple], long: [pear]}\n",
        "6: sets.shifts.sketch.space: unknown label space 'corse'. Allowed: coarse. Did you mean 'coarse'?",
    ),
    "no space defined": (
        "sets:\n  mixed_same: {reader: folder, path: m, space: coarse}\n",
        "5: sets.mixed_same.space: unknown label space 'coarse'. Define it under spaces.",
    ),
    "built-in space on other classes": (
        "sets:\n  mixed_same: {reader: folder, path: m, space: imagenet_to_in9}\n",
        "5: sets.mixed_same.space: 'imagenet_to_in9' reads ImageNet's classes. "
        "Allowed: only with classes: imagenet.",
    ),
    "built-in space on other classes, renamed": (
        SETS + "spaces: {nine: imagenet_to_in9}\n",
        "5: spaces.nine: 'imagenet_to_in9' reads ImageNet's classes. Allowed: only with classes: imagenet.",
    ),
    "taken name": (
        SETS + "spaces:\n  own: {round: [apple], long: [pear]}\n",
        "6: spaces: the name 'own' is taken. Give the label space another name.",
    ),
    "unknown class": (
        SETS + "spaces:\n  coarse:\n    round: [apple, kiwi]\n    long:\n      - peer\n",
        "9: spaces.coarse.long: unknown class 'peer'. Did you mean 'pear'? Allowed: apple, pear, kiwi.",
    ),
    "class in two": (
        SETS + "spaces:\n  coarse:\n    round: [apple, kiwi]\n    long: [pear, apple]\n",
        "8: spaces.coarse.long: 'apple' already belongs to 'round'.",
    ),
    "class without members": (
        SETS + "spaces:\n  coarse:\n    round: []\n    long: [pear, apple]\n",
        "7: spaces.coarse.round: got no classes. Allowed: one or more.",
    ),
    "space of one class": (
        SETS + "spaces:\n  coarse: {round: [apple, kiwi]}\n",
        "6: spaces.coarse: got one class. Allowed: two or more.",
    ),
    "unknown rule": (
        SETS + "spaces:\n  coarse: {by: median, round: [apple], long: [pear]}\n",
        "6: spaces.coarse.by: got text 'median'. Allowed: mean, argmax, map. Did you mean 'mean'?",
    ),
    "neither images nor generated": (
        "sets:\n" + CLEAN + "  corruptions: {reader: folder}\n",
        "6: sets.corruptions: got reader. Allowed: reader and path, or generate: from clean.",
    ),
    "corruptions by another reader": (
        "sets:\n  corruptions: {reader: csv, path: c}\n",
        "5: sets.corruptions.reader: got text 'csv'. Allowed: folder, webdataset, arrays.",
    ),
    "partial corruptions in arrays": (
        "sets:\n  corruptions: {reader: arrays, path: c, partial: true}\n",
        "5: sets.corruptions.partial: belongs to reader: folder, got reader: arrays.",
    ),
    "nothing about corruptions": (
        "sets:\n" + CLEAN + "  corruptions: {}\n",
        "6: sets.corruptions: got nothing. Allowed: reader and path, or generate: from clean.",
    ),
    "both images and generated": (
        "sets:\n" + CLEAN + "  corruptions: {generate: from clean, path: c}\n",
        "6: sets.corruptions.path: only encode, extra and sample go with generate, got path.",
    ),
    "stored and encoded": (
        "sets:\n" + CLEAN + "  corruptions: {reader: folder, path: c, encode: jpeg85}\n",
        "6: sets.corruptions.encode: stored images are not encoded again, got it together with reader.",
    ),
    "generated from nothing": (
        "sets:\n  corruptions: {generate: from clean}\n",
        "5: sets.corruptions.generate: there is no set 'clean' to make them from.",
    ),
    "unknown extra corruption": (
        "sets:\n  clean: {reader: folder, path: val}\n"
        "  corruptions: {generate: from clean, extra: [low_ligth]}\n",
        "6: sets.corruptions.extra[0]: got text 'low_ligth'. Allowed: speckle_noise, gaussian_blur, spatter, "
        "saturate, low_light. Did you mean 'low_light'?",
    ),
    "repeated extra corruption": (
        "sets:\n  clean: {reader: folder, path: val}\n"
        "  corruptions: {generate: from clean, extra: [spatter, spatter]}\n",
        "6: sets.corruptions.extra: a name is repeated. Allowed: different names, with sample: all.",
    ),
    "extra corruptions of samples": (
        "sets:\n  clean: {reader: folder, path: val}\n"
        "  corruptions: {generate: from clean, sample: one, extra: [spatter]}\n",
        "6: sets.corruptions.extra: sample: one shows the fifteen only. Allowed: different names, with "
        "sample: all.",
    ),
    **{
        f"shift named {name}": (
            f"sets:\n  shifts:\n    {name}: {{reader: folder, path: val}}\n",
            f"6: sets.shifts: got the name '{name}'. Allowed: lower-case letters, digits and _, with a "
            "letter first, that no other set has, and that do not end in _accuracy or _matched.",
        )
        for name in ("clean", "My sketches", "sketch_accuracy")
    },
    **{
        f"unknown set named {name}": (
            f"sets:\n  unknown:\n    {name}: others\n",
            f"6: sets.unknown: got the name '{name}'. Allowed: lower-case letters, digits and _, with a "
            "letter first, that no other set has, and that do not end in _accuracy or _matched or _fpr95.",
        )
        for name in ("clean", "Near", "near_fpr95")
    },
    "unknown set that is no folder": (
        "sets:\n  unknown: {near: {reader: csv, path: near.csv}}\n",
        "5: sets.unknown.near: got keys with values. Allowed: text.",
    ),
    "unknown score": (
        "sets:\n  unknown: {near: others, score: entropy}\n",
        "5: sets.unknown.score: got text 'entropy'. Allowed: max_probability, max_logit, energy. "
        "Did you mean 'energy'?",
    ),
}


def test_sets_of_no_class(tmp_path: Path) -> None:
    manifest = read(tmp_path, f"{HEAD}sets:\n  unknown: {{near: others/, far: noise, score: energy}}\n")
    unknown = manifest.entry.sets.unknown
    assert (unknown.names, unknown.score) == (("near", "far"), "energy")
    assert {name: entry.source_of(View(name)) for name, entry in manifest.sets.items()} == {
        "unknown/near": ReaderInput("others/"),
        "unknown/far": ReaderInput("noise"),
    }
    assert read(tmp_path, f"{HEAD}sets: {{}}\n").entry.sets.unknown.score == "max_probability"


@pytest.mark.parametrize("name", MISTAKES)
def test_messages_have_the_line_of_the_mistake(tmp_path: Path, name: str) -> None:
    text, message = MISTAKES[name]
    with pytest.raises(SuiteError) as raised:
        read(tmp_path, HEAD + text)
    assert str(raised.value) == f"quba-data.yaml:{message}"


ALLOWED_CLASSES = (
    "Allowed: imagenet, a list of class names, class names with readable names as their values, "
    "or a .txt file."
)
CLASS_MISTAKES = {
    "imagenets": f"3: classes: got text 'imagenets'. {ALLOWED_CLASSES}",
    "10": f"3: classes: got 10. {ALLOWED_CLASSES}",
    "{a: ant, b: 1}": "3: classes.b: got 1. Allowed: text.",
    "{a: ant}": "3: classes: got one class. Allowed: two or more.",
    "[a, 1]": "3: classes[1]: got 1. Allowed: text.",
    "[a]": "3: classes: got one class. Allowed: two or more.",
    "\n  - café\n  - cafe\u0301": "5: classes: 'cafe\u0301' is listed twice, first in line 4.",
    "{café: a, b: b, cafe\u0301: c}": "3: classes: 'cafe\u0301' is listed twice, first in line 3.",
    "\n  - a\n  - b\n  - a": "6: classes: 'a' is listed twice, first in line 4.",
}


@pytest.mark.parametrize("classes", CLASS_MISTAKES)
def test_mistakes_in_the_class_list(tmp_path: Path, classes: str) -> None:
    with pytest.raises(SuiteError) as raised:
        read(tmp_path, f"schema: 1\nname: x\nclasses: {classes}\nsets: {{}}\n")
    assert str(raised.value) == f"quba-data.yaml:{CLASS_MISTAKES[classes]}"


def test_unknown_imagenet_classes_are_reported_with_the_nearest(tmp_path: Path) -> None:
    head = "schema: 1\nname: x\nclasses: imagenet\nsets: {}\n"
    text = head + "spaces: {pets: {dog: [n0209960], cat: [n02123045]}}\n"
    with pytest.raises(SuiteError) as raised:
        read(tmp_path, text)
    assert str(raised.value) == (
        "quba-data.yaml:5: spaces.pets.dog: unknown class 'n0209960'. Did you mean 'n02099601'? "
        "Allowed: n01440764, n01443537, n01484850, n01491361, n01494475, n01496331, n01498041, n01514668, "
        "n01514859, n01518878 and 990 more."
    )


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as raised:
        read(tmp_path, "schema: 2\nname: x\nclasses: imagenet\nsets: {}\n")
    assert str(raised.value) == "quba-data.yaml:1: schema: got 2. Allowed: 1."


def test_the_json_schema_knows_the_keys_of_every_reader() -> None:
    models = suite_schema()["$defs"]
    readers = {
        model["properties"]["reader"]["const"]: model
        for model in models.values()
        if "const" in model.get("properties", {}).get("reader", {})
    }
    named = set(READERS) - {"unlabelled"}  # sets of no class name no reader
    assert set(readers) == named
    assert {name: set(model["required"]) for name, model in readers.items()} == {
        name: {"reader", "path"} - ({"path"} if name == "arrays" else set()) for name in named
    }
    assert all(model["additionalProperties"] is False for model in readers.values())


SERVING = HEAD + "sets: {clean: {reader: folder, path: val}}\nserving:\n"


def test_serving_pipelines(tmp_path: Path) -> None:
    text = (
        "  app:\n    {decode: opencv, jpeg: 85, resize: {method: bilinear, antialias: false},\n"
        "     crop: letterbox, channels: BGR, dtype: float16}\n"
        "  phone: {resize: {library: opencv, method: area}}\n  server: {call: shop.images:prepare}\n"
    )
    app = ServingPipeline(
        "opencv", 85, Resize("torchvision", "bilinear", False), "letterbox", "BGR", "float16"
    )
    serving = read(tmp_path, SERVING + text).entry.serving
    assert {name: one.pipeline for name, one in serving.items()} == {
        "app": app,
        "phone": ServingPipeline(resize=Resize("opencv", "area")),
        "server": ServingPipeline(call="shop.images:prepare"),
    }
    assert app.steps == ("decode", "jpeg", "resize", "crop", "channels", "dtype")
    assert read(tmp_path, HEAD + "sets: {clean: {reader: folder, path: val}}\n").entry.serving == {}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "app: {}",
            "serving.app: got nothing. Allowed: one or more of decode, jpeg, resize, crop, channels, dtype, "
            "or call.",
        ),
        ("app: {jpeg: 0}", "serving.app.jpeg: got 0. Allowed: at least 1."),
        ("app: {jpeg: 101}", "serving.app.jpeg: got 101. Allowed: at most 100."),
        (
            "app: {decode: openCV}",
            "serving.app.decode: got text 'openCV'. Allowed: pillow, opencv, torchvision. "
            "Did you mean 'opencv'?",
        ),
        (
            "app: {resise: {}}",
            "serving.app: unknown key 'resise'. Did you mean 'resize'? Allowed: decode, jpeg, resize, crop, "
            "channels, dtype, call.",
        ),
        (
            "app: {resize: {library: opencv, antialias: true}}",
            "serving.app.resize: antialias belongs to library: torchvision, got library: opencv.",
        ),
        (
            "app: {resize: {method: area}}",
            "serving.app.resize: pillow has no method 'area'. Allowed: nearest, bilinear, bicubic, lanczos.",
        ),
        (
            "app: {call: 'shop:prepare', jpeg: 85}",
            "serving.app: call replaces all steps, got it together with jpeg. State call alone.",
        ),
        (
            "app: {call: '__main__:x'}",
            "serving.app: call: got text '__main__:x'. Allowed: package.module:function.",
        ),
        ("app: {call: shop.py}", "serving.app: call: got text 'shop.py'. Allowed: package.module:function."),
        (
            "My-App: {jpeg: 85}",
            "serving: got the name 'My-App'. Allowed: lower-case letters, digits and _, with a letter first.",
        ),
    ],
)
def test_wrong_serving_pipelines(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read(tmp_path, f"{SERVING}  {entry}\n")
    assert str(caught.value) == f"quba-data.yaml:6: {message}"


@pytest.mark.parametrize(
    ("call", "place"),
    [("prep:f", "prep.py"), ("data.prep:f", ""), ("data.deep.prep:f", ""), ("linked:f", "prep.py")],
)
@pytest.mark.parametrize("here", ["data", ""])
def test_a_module_in_the_data_folder_is_refused_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, call: str, place: str
) -> None:
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    for file in (data / "prep.py", data / "deep" / "prep.py"):
        file.write_text("raise SystemExit")
    (tmp_path / "linked.py").symlink_to(data / "prep.py")
    monkeypatch.chdir(tmp_path / here)
    monkeypatch.syspath_prepend(str(tmp_path))
    if call == "prep:f" and not here:
        read(data, f"{SERVING}  app: {{call: 'prep:f'}}\n")  # not importable
        return
    with pytest.raises(SuiteError) as caught:
        read(data, f"{SERVING}  app: {{call: '{call}'}}\n")
    found = tmp_path / "linked.py" if call == "linked:f" else data / place
    assert str(caught.value) == (
        f"quba-data.yaml:6: serving.app.call: got {found}, which lies in the data folder. "
        "Allowed: a module elsewhere."
    )

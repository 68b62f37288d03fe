"""Manifests: what is read from a right one, and the text for every mistake in a wrong one."""

from pathlib import Path

import pytest
from support.suites import error_text, error_texts, manifest, write_manifest
from syrupy.assertion import SnapshotAssertion

from quba_check.core.classes import LabelSpace
from quba_check.core.facts import DecidedSet
from quba_check.core.serving import Resize, ServingPipeline
from quba_check.core.view import View
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.manifest.reading import read_manifest
from quba_check.suites.manifest.schema import ManifestEntry
from quba_check.suites.readers import READERS
from quba_check.suites.readers.listing import ReaderInput

CLEAN = "  clean: {reader: folder, path: val}\n"
FULL = """\
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
"""


def test_a_full_manifest(tmp_path: Path) -> None:
    full = manifest(tmp_path, FULL)
    assert (full.name, full.entry.image_size) == ("fruit", 64)
    assert full.classes == ClassList(("apple", "pear", "kiwi"), ("apple", "pear", "kiwi"))
    shifts = ["sketch", "painted"]
    assert list(full.entry.sets.shifts) == shifts
    assert list(full.sets) == ["clean", "corruptions", *shifts, "mixed_same", "mixed_rand", "cue_conflict"]
    assert {
        name: (one.expected, one.prepared, one.space, one.source_of(View(name)))
        for name, one in full.sets.items()
        if name in ("clean", "corruptions", "sketch")
    } == {
        "clean": (30, False, None, ReaderInput("val", {"partial": False})),
        "corruptions": (None, True, None, ReaderInput("c", {"partial": True})),
        "sketch": (None, False, "coarse", ReaderInput("sketch.csv")),
    }
    assert full.spaces == {
        "coarse": LabelSpace("coarse", ("round", "long"), ((0, 2), (1,)), "mean"),
        "best": LabelSpace("best", ("long", "round"), ((1,), (0,)), "argmax"),
    }


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("arrays, path: x.npz, images: a", ReaderInput("x.npz", {"images": "a", "labels": "labels"})),
        ("arrays, images: x.gz, labels: y.gz", ReaderInput("x.gz", {}, {"labels": "y.gz"})),
        (
            "hf, path: cifar, split: test, image: img",
            ReaderInput("cifar", {"split": "test", "image": "img", "label": "label"}),
        ),
        ("parquet, path: d.parquet", ReaderInput("d.parquet", {"image": None, "label": "label"})),
        ('webdataset, path: "val-{00..04}.tar"', ReaderInput("val-{00..04}.tar")),
    ],
)
def test_options_of_readers(tmp_path: Path, entry: str, source: ReaderInput) -> None:
    sets = manifest(tmp_path, f"sets: {{clean: {{reader: {entry}}}}}").sets
    assert sets["clean"].source_of(View("clean")) == source


def test_built_in_spaces_go_by_their_own_name_or_another(tmp_path: Path) -> None:
    text = (
        "sets:\n  mixed_same: {reader: folder, path: a, space: nine}\n"
        "  mixed_rand: {reader: folder, path: b, space: imagenet_to_in9}\n"
        "spaces: {nine: imagenet_to_in9, pets: {dog: [n02099601, n02099712], cat: [n02123045]}}\n"
    )
    built_in = manifest(tmp_path, text, "imagenet")
    assert (built_in.spaces["nine"].name, built_in.spaces["nine"].by) == ("nine", "map")
    assert built_in.spaces["pets"].members == ((207, 208), (281,))


SPACES = "sets: {}\nspaces:\n  "
MISTAKES = [
    "sets:\n  cleen: {reader: folder, path: val}",
    "sets:\n  clean: {reader: folder, path: val, space: coarse}",
    "sets:\n  shifts:\n    sketch: {reader: csv, path: s.csv, partial: true}",
    "sets:\n  clean: {raeder: folder, path: val}",
    "sets:\n  clean: {reader: webdataset, path: val, label: fine_label}",
    "sets:\n  clean: {reader: arrays, expected: 3}",
    "sets:\n  clean: {reader: foldr, path: val}",
    "sets:\n  clean: {reader: csv, path: x.csv, slices: [light, light]}",
    "sets:\n  clean: {reader: csv, path: x.csv, slices: [a=b]}",
    "sets:\n  clean: {reader: csv, path: x.csv, slices: [[]]}",
    "sets:\n  clean: {reader: csv, path: x.csv, properties: [sharpnes]}",
    "sets:\n  clean: {reader: folder, path: val, group: patient}",
    "sets:\n  clean: {reader: csv, path: a.csv, group: [patient]}",
    "sets:\n  clean: {reader: csv, path: a.csv, group: {path: '(x'}}",
    "sets:\n  clean: {reader: csv, path: a.csv, group: {path: '(x)'}}",
    "sets:\n  clean: {reader: csv, path: a.csv, group: {path: x, folders: 1}}",
    "sets:\n  clean: {reader: csv, path: a.csv, group: {}}",
    "sets:\n  shifts:\n    sketch: {reader: csv, path: s.csv, space: corse}\n"
    "spaces:\n  coarse: {round: [apple], long: [pear]}",
    "sets:\n  mixed_same: {reader: folder, path: m, space: coarse}",
    "sets:\n  mixed_same: {reader: folder, path: m, space: imagenet_to_in9}",
    f"{SPACES}nine: imagenet_to_in9",
    f"{SPACES}own: {{round: [apple], long: [pear]}}",
    f"{SPACES}coarse:\n    round: [apple, kiwi]\n    long:\n      - peer",
    f"{SPACES}coarse:\n    round: [apple, kiwi]\n    long: [pear, apple]",
    f"{SPACES}coarse:\n    round: []\n    long: [pear, apple]",
    f"{SPACES}coarse: {{round: [apple, kiwi]}}",
    f"{SPACES}coarse: {{by: median, round: [apple], long: [pear]}}",
    f"sets:\n{CLEAN}  corruptions: {{reader: folder}}",
    "sets:\n  corruptions: {reader: csv, path: c}",
    "sets:\n  corruptions: {reader: arrays, path: c, partial: true}",
    f"sets:\n{CLEAN}  corruptions: {{}}",
    f"sets:\n{CLEAN}  corruptions: {{generate: from clean, path: c}}",
    f"sets:\n{CLEAN}  corruptions: {{reader: folder, path: c, encode: jpeg85}}",
    "sets:\n  corruptions: {generate: from clean}",
    f"sets:\n{CLEAN}  corruptions: {{generate: from clean, extra: [low_ligth]}}",
    f"sets:\n{CLEAN}  corruptions: {{generate: from clean, extra: [spatter, spatter]}}",
    f"sets:\n{CLEAN}  corruptions: {{generate: from clean, sample: one, extra: [spatter]}}",
    *(
        f"sets:\n  shifts:\n    {name}: {{reader: folder, path: val}}"
        for name in ("clean", "My sketches", "sketch_accuracy")
    ),
    *(f"sets:\n  unknown:\n    {name}: others" for name in ("clean", "Near", "near_fpr95")),
    "sets:\n  unknown: {near: {reader: hf, path: near}}",
    "sets:\n  unknown: {near: {path: near, partial: true}}",
    "sets:\n  unknown: {near: {path: near, group: patient}}",
    "sets:\n  unknown: {near: {path: near, space: coarse}}",
    "sets:\n  unknown: {near: others, score: entropy}",
    "sets:\n  other: {tuning: {reader: csv, path: t.csv, space: coarse}}",
]


def test_messages_have_the_line_of_the_mistake(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    assert error_texts(lambda text: manifest(tmp_path, text), MISTAKES) == snapshot
    assert error_text(manifest, tmp_path, MISTAKES[0]) == (
        "quba-data.yaml:5: sets: unknown key 'cleen'. "
        "Allowed: clean, corruptions, shifts, other, decided, mixed_same, mixed_rand, cue_conflict, unknown. "
        "Did you mean 'clean'?"
    )


KINDS = """\
spaces: {size: {round: [apple, kiwi], long: [pear]}}
sets:
  clean: {reader: csv, path: val.csv, group: patient}
  corruptions: {generate: from clean, extra: [spatter]}
  shifts: {night: {reader: folder, path: night}, fish: {reader: folder, path: f, group: {folders: 1}}}
  other:
    tuning: {reader: folder, path: val, group: {folders: 1}}
    coarse: {reader: csv, path: c.csv, group: patient, space: size}
  unknown:
    birds: {path: birds, group: {folders: 1}, properties: [size]}
    fish: {reader: csv, path: x.csv, group: who}
    far: textures
  decided:
"""


def test_every_kind_of_set(tmp_path: Path) -> None:
    rules = "{a: {of: clean, by: mean}, b: {of: fog, by: majority}, c: {of: spatter, any: kiwi}}"
    some = manifest(tmp_path, KINDS.replace("decided:\n", f"decided: {rules}"))
    assert list(some.sets) == [
        *("clean", "corruptions", "night", "fish", "tuning", "coarse"),
        *("unknown/birds", "unknown/fish", "unknown/far"),
    ]
    assert some.decided == {
        "a": DecidedSet("clean", "mean"),
        "b": DecidedSet("fog", "majority"),
        "c": DecidedSet("spatter", "any", 2),
    }


def test_wrong_decided_sets(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    mistakes = [
        "p: {of: clean}",
        "p: {of: clean, by: mean, any: kiwi}",
        "p: {of: clean, by: median}",
        "p: {of: clean, any: kiwwi}",
        "p: {of: coarse, any: kiwi}",
        "p: {of: night, by: mean}",
        "p: {of: brids, by: mean}",
        "p: {of: mixed_same, by: mean}",
        "p: {of: fish, by: mean}",
        "p: {of: p, by: mean}",
        *(f"{name}: {{of: clean, by: mean}}" for name in ("fog", "spatter", "night", "birds", "tuning")),
        "corruptions: {of: clean, by: mean}",
    ]
    assert error_texts(lambda entry: manifest(tmp_path, f"{KINDS}    {entry}"), mistakes) == snapshot


def test_sets_of_which_none_can_be_decided(tmp_path: Path) -> None:
    rule = "\n  decided: {p: {of: fog, by: mean}}"
    got = "quba-data.yaml:7: sets.decided.p.of: no corruptions with sample: all are declared, got 'fog'. "
    for entry, allowed in (
        (", group: {folders: 1}", "clean"),
        ("", "a set that declares group, and the suite"),
    ):
        text = (
            f"sets:\n  clean: {{reader: folder, path: val{entry}}}\n  corruptions: {{generate: from clean, "
        )
        assert error_text(manifest, tmp_path, f"{text}sample: one}}{rule}").startswith(
            f"{got}Allowed: {allowed}"
        )


def test_a_class_that_decides_by_its_readable_name(tmp_path: Path) -> None:
    text = f"sets:\n{CLEAN.replace('}', ', group: {folders: 1}}')}  decided: {{p: {{of: clean, any: crane}}}}"
    named = "{n1: ox, n2: 'crane, a bird'}"
    assert manifest(tmp_path, text, named).decided["p"].any_of == 1
    twice = error_text(manifest, tmp_path, text, "{n1: crane, n2: crane}")
    assert twice == "quba-data.yaml:6: sets.decided.p.any: unknown class 'crane'. Allowed: n1, n2."


def test_unknown_sets_have_the_keys_of_other_sets(tmp_path: Path) -> None:
    text = (
        "sets:\n  clean: {reader: folder, path: val, prepared: true}\n"
        "  unknown: {near: {reader: folder, path: near}, far: {reader: csv, path: far.csv, slices: [light]}, "
        "rest: {reader: parquet, path: rest.parquet, prepared: false}}"
    )
    sets = manifest(tmp_path, text).sets
    read = {name: (one.reader, one.prepared, one.source_of(View(name))) for name, one in sets.items()}
    unlabelled = {"is_labelled": False}
    assert read == {
        "clean": ("folder", True, ReaderInput("val", {"partial": False})),
        "unknown/near": ("unlabelled", True, ReaderInput("near")),
        "unknown/far": ("csv", True, ReaderInput("far.csv", {"columns": ("light",), **unlabelled})),
        "unknown/rest": (
            *("parquet", False),
            ReaderInput("rest.parquet", {"image": None, "label": "label", **unlabelled}),
        ),
    }


def test_another_schema_is_refused_first(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, "sets: {}")
    path.write_text(path.read_text().replace("schema: 1", "future: 1\nschema: 2"))
    advice = "Use the version of quba-check that the file was written for."
    assert error_text(read_manifest, path, "x.yaml") == f"x.yaml:2: schema: got 2. Allowed: 1. {advice}"


def test_the_json_schema_knows_the_keys_of_every_reader() -> None:
    models = ManifestEntry.model_json_schema(by_alias=True)["$defs"]
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


def test_the_json_schema_allows_the_kinds_of_sets(tmp_path: Path) -> None:
    document = manifest(tmp_path, f"{KINDS}    p: {{of: clean, by: mean}}").document
    schema = pytest.importorskip("jsonschema").Draft202012Validator(
        ManifestEntry.model_json_schema(by_alias=True)
    )
    assert [*schema.iter_errors(document.data)] == []
    wrong = document.data | {"sets": {"unknown": {"near": {"reader": "hf", "path": "near"}}}}
    assert [error.path[-1] for error in schema.iter_errors(wrong)] == ["near"]


SERVING = f"sets:\n{CLEAN}serving:\n"


def test_serving_pipelines(tmp_path: Path) -> None:
    text = (
        "  app:\n    {decode: opencv, jpeg: 85, resize: {method: bilinear, antialias: false},\n"
        "     crop: letterbox, channels: BGR, dtype: float16}\n"
        "  phone: {resize: {library: opencv, method: area}}\n  server: {call: shop.images:prepare}\n"
    )
    app = ServingPipeline(
        "opencv", 85, Resize("torchvision", "bilinear", False), "letterbox", "BGR", "float16"
    )
    serving = manifest(tmp_path, SERVING + text).entry.serving
    assert {name: one.pipeline for name, one in serving.items()} == {
        "app": app,
        "phone": ServingPipeline(resize=Resize("opencv", "area")),
        "server": ServingPipeline(call="shop.images:prepare"),
    }
    assert app.steps == ("decode", "jpeg", "resize", "crop", "channels", "dtype")
    assert manifest(tmp_path, f"sets:\n{CLEAN}").entry.serving == {}


def test_wrong_serving_pipelines(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    mistakes = [
        "app: {}",
        "app: {jpeg: 0}",
        "app: {jpeg: 101}",
        "app: {decode: openCV}",
        "app: {resise: {}}",
        "app: {resize: {library: opencv, antialias: true}}",
        "app: {resize: {method: area}}",
        "app: {call: 'shop:prepare', jpeg: 85}",
        "app: {call: '__main__:x'}",
        "app: {call: shop.py}",
        "My-App: {jpeg: 85}",
    ]
    assert error_texts(lambda entry: manifest(tmp_path, f"{SERVING}  {entry}"), mistakes) == snapshot


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
    text = f"{SERVING}  app: {{call: '{call}'}}"
    if call == "prep:f" and not here:
        manifest(data, text)  # not importable
        return
    found = tmp_path / "linked.py" if call == "linked:f" else data / place
    assert error_text(manifest, data, text) == (
        f"quba-data.yaml:7: serving.app.call: got {found}, which lies in the data folder. "
        "Allowed: a module elsewhere."
    )

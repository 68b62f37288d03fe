"""Metadata of exports: their configs, and the messages about models of other tasks."""

import base64
import json
import zipfile
import zlib

import pytest

pytest.importorskip("onnx")
pytest.importorskip("ai_edge_litert")

import flatbuffers
import numpy as np
import onnx
import torch
from ai_edge_litert import schema_py_generated as schema
from support.loaded_models import THREE, load, refusal
from support.onnx_files import mean_of_colours, plain
from support.tflite_files import write_tflite

from quba_check.models.preprocessing.config import CLASS_NAMES
from quba_check.models.programs.metadata import exported_config, tflite_configs, ultralytics_values

WRITTEN = (
    "c-l=;&o2W(6n?E@(WFh&g9OQ3BwRKXSBYj_NC;Pn%WgYc!*-|H9Y2bLy8{O&Xa55iA>q!y;37_L!mYlU9c7zuXXkxyzW3&Pog|{QT"
    "5YaMRVq^vJBPBTfCwQ*G!E4BL>IsyzUSPUTf>^Oe9@fKCkuUrYA)l)4O78dwYgbdMdtt~z$I`Ey!_K78a4emG>k9v<hAYsFb}Ny0gq"
    "A^%7it1#al8FJY{OzS9o#OmQ5akiCMxMvK5OX?i!uQoO9KoLT|lZ&#^t_?5(r)ba5G6(S{17e?+suMj``05Rp*2o(xU3OcbTk4sR&2"
    "&!eu3+%cfj&+i)T%+o(Nv=?O?*LS<HUOWM}wm;1c0C#7@57R68hmr5Md%d6fDAjM;6ZOZ>nR>48Z4q?~W(H;3zhmn-zq7G=$Ctu;J!"
    "*P%%00cm+Whji&fmSQ(zEBltr2_1_>dnmvlz0PQ+Tb!ojt`w+i!8EBnvoeM1GozQ1GU{zy7Zn7VEmsZ}M1)uxlrjDh7AjB1V+SU<cM"
    "Q5gRho48by=?Z)yTW+_+N?!RHXRMMI{bLqEiLO))ehbR"
)
"""TFLite Metadata as written by `image_classifier.MetadataWriter` of tflite-support 0.4.4, packed."""
NAMES = {0: "blue", 1: "green", 2: "it's red"}
STATED = {"task": "classify", "imgsz": [32, 32], "names": NAMES, "channels": 3}
VALUES = {
    "interpolation": "bilinear",
    "mean": (0.0, 0.0, 0.0),
    "std": (1.0, 1.0, 1.0),
    "crop_pct": 1.0,
    "crop_mode": "center",
    "input_size": (3, 32, 32),
    CLASS_NAMES: ("blue", "green", "it's red"),
    "outputs": "probabilities",
}


@pytest.mark.parametrize(
    "metadata",
    [
        STATED,
        {key: str(value) for key, value in STATED.items()},
        str(STATED),
        json.dumps(STATED),
        json.dumps(STATED).encode(),
    ],
    ids=["values", "texts", "Python", "JSON", "bytes"],
)
def test_metadata_in_every_form(metadata):
    (config,) = exported_config(metadata, "x.onnx")
    assert config.values == VALUES
    assert config.source == "the metadata of x.onnx"
    assert not config.departs


@pytest.mark.parametrize(
    "metadata", [{}, "", b"\xff", None, "[1, 2", "(" * 300, "nan", {"task": "classify", "names": "{0: 'a'}"}]
)
def test_other_metadata_is_ignored(metadata):
    assert exported_config(metadata, "x.onnx") == ()


@pytest.mark.parametrize(
    ("changes", "without", "other"),
    [
        ({"imgsz": 32}, (), {}),
        ({"imgsz": [32, 48]}, (), {"input_size": (3, 32, 48), "crop_mode": "squash"}),
        ({"channels": 1}, (), {"input_size": (1, 32, 32)}),
        ({"channels": 4}, ("input_size",), {}),
        ({"imgsz": None}, ("input_size",), {}),
        ({"imgsz": [32, 32, 32]}, ("input_size",), {}),
        ({"imgsz": "-1"}, ("input_size",), {}),
        ({"names": {0: "a", 2: "b"}}, (CLASS_NAMES,), {}),
        ({"names": {"a": 0}}, (CLASS_NAMES,), {}),
        ({"names": "blue"}, (CLASS_NAMES,), {}),
    ],
)
def test_values_that_cannot_be_used_are_left_out(changes, without, other):
    (config,) = exported_config(STATED | changes, "x.onnx")
    assert config.values == {key: value for key, value in (VALUES | other).items() if key not in without}


def test_values_without_channels():
    assert ultralytics_values(64, NAMES)["input_size"] == (3, 64, 64)


def onnx_file(path, **changes):
    model = onnx.load(mean_of_colours(path))
    onnx.helper.set_model_props(model, {key: str(value) for key, value in (STATED | changes).items()})
    onnx.save(model, path)
    return path


def test_an_onnx_file(tmp_path):
    classifier = load(onnx_file(tmp_path / "x.onnx"), ("it's red", "blue", "green"), image_size=8)
    assert classifier.preprocessing.input_size == (3, 32, 32)
    assert classifier.stated_outputs == "probabilities"
    assert classifier.head.columns == (2, 0, 1)


def test_another_task_is_refused(tmp_path):
    text = "x.onnx: is a model of ultralytics for the task 'detect'. quba-check judges classifiers."
    assert refusal(onnx_file(tmp_path / "x.onnx", task="detect"), THREE) == text


def test_a_torchscript_program(tmp_path):
    extra = {"config.txt": json.dumps(STATED)}
    program = torch.jit.trace(plain(), torch.zeros(1, 3, 8, 8))
    program.save(str(tmp_path / "x.torchscript"), _extra_files=extra)
    assert load(tmp_path / "x.torchscript", ("blue", "green", "it's red")).preprocessing.input_size == (
        3,
        32,
        32,
    )
    program.save(str(tmp_path / "y.torchscript"))
    assert load(tmp_path / "y.torchscript", THREE, image_size=8).stated_outputs is None


OF_YOLO = {"model_type": "YOLO", "labels": "blue green it's_red"}


def openvino_file(path, **info):
    openvino = pytest.importorskip("openvino")
    model = openvino.convert_model(mean_of_colours(path.with_suffix(".onnx"), shape=("n", 3, 8, 8)))
    for key, value in info.items():
        model.set_rt_info(value, ["model_info", key])
    openvino.save_model(model, path)
    return path


def test_an_openvino_file_without_its_metadata(tmp_path):
    path = openvino_file(tmp_path / "x.xml", **OF_YOLO)
    classifier = load(path, ("it's red", "blue", "green"))
    assert classifier.stated_outputs == "probabilities"
    assert classifier.head.columns == (2, 0, 1)
    assert classifier.preprocessing.input_size == (3, 8, 8)
    detects = "x.xml: is a model of ultralytics for the task 'detect'. quba-check judges classifiers."
    assert refusal(openvino_file(path, **OF_YOLO, resize_type="fit_to_window_letterbox"), THREE) == detects


def test_the_metadata_next_to_an_openvino_file(tmp_path):
    path = openvino_file(tmp_path / "x.xml", **OF_YOLO)
    (tmp_path / "metadata.yaml").write_text("task: pose\nimgsz: [8, 8]\nnames:\n  0: x\n")
    poses = "x.xml: is a model of ultralytics for the task 'pose'. quba-check judges classifiers."
    assert refusal(path, THREE) == poses
    (tmp_path / "metadata.yaml").write_text("task: [")
    assert load(path, ("blue", "green", "it's red")).stated_outputs == "probabilities"
    assert load(openvino_file(path), THREE).stated_outputs is None


def tables():
    return zlib.decompress(base64.b85decode(WRITTEN))


def tflite_file(path, metadata=b"", **members):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(write_tflite(plain(), path).read_bytes()))
    if metadata:
        entry = schema.MetadataT()
        buffer = schema.BufferT()
        entry.name, entry.buffer, buffer.data = b"TFLITE_METADATA", len(model.buffers), list(metadata)
        model.metadata = [entry]
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    if members:
        with zipfile.ZipFile(path, "a") as archive:
            for name, text in members.items():
                archive.writestr(name.replace("__", "."), text)
    return path


def test_the_normalisation_and_labels_of_tflite_metadata(tmp_path):
    path = tflite_file(tmp_path / "x.tflite", tables(), labels__txt="blue\n\ngreen\r\nred\n")
    classifier = load(path, THREE, image_size=8)
    assert classifier.preprocessing.mean == pytest.approx((0.485, 0.456, 0.406))
    assert classifier.preprocessing.std == pytest.approx((0.229, 0.224, 0.225))
    assert classifier.preprocessing.source.startswith(f"the metadata of {path} (")
    assert classifier.head.columns == (2, 1, 0)
    assert classifier.stated_outputs is None


def test_a_tflite_file_with_several_files_of_labels_states_no_names(tmp_path):
    path = tflite_file(tmp_path / "x.tflite", labels__txt="blue\ngreen\nred", labels_de__txt="b\ng\nr")
    assert load(path, THREE, image_size=8).head.columns is None


@pytest.mark.parametrize("text", [json.dumps(STATED), str(STATED)])
def test_a_tflite_export_of_ultralytics(text, tmp_path):
    classifier = load(tflite_file(tmp_path / "x.tflite", metadata__json=text), ("it's red", "blue", "green"))
    assert classifier.stated_outputs == "probabilities"
    assert classifier.preprocessing.mean == (0.0, 0.0, 0.0)
    assert classifier.head.columns == (2, 0, 1)


def test_damaged_tflite_metadata_is_ignored():
    content = tables()
    draw = np.random.default_rng(0)
    (config,) = tflite_configs(b"", content, "x.tflite")
    assert set(config.values) == {"mean", "std"}
    for length in range(len(content)):
        tflite_configs(b"", content[:length], "x.tflite")
    for _ in range(2000):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[draw.integers(0, len(content), 3)] = draw.choice((0, 1, 127, 128, 255), 3)
        tflite_configs(b"", damaged.tobytes(), "x.tflite")

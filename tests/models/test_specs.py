from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest

from quba_check.errors import ModelError, OptionError
from quba_check.models.specs import check_takes_architecture, models_by_name, parse_spec

ARCHIVES = {
    "zipped.pt": ["net/data.pkl", "net/byteorder"],
    "script.pt": ["net/data.pkl", "net/constants.pkl", "net/code/x.py"],
    "program.pth": ["net/archive_format", "net/models/model.json"],
    "old_program.pt": ["version", "serialized_exported_program.json"],
}
ALLOWED = (
    "Allowed: demo, demo-textured, a checkpoint file (.pt, .pth, .pth.tar, .th, .ckpt, .bin, .safetensors), "
    "an exported program (.pt2), an ONNX file (.onnx), a TFLite file (.tflite), an OpenVINO file "
    "(.xml), a folder with config.json, timm:NAME, hf-hub:OWNER/NAME, open_clip:NAME/WEIGHTS, "
    "package.module:callable."
)


@pytest.fixture(autouse=True)
def _in_a_folder_with_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "my_ckpt.pt",
        "net.onnx",
        "net.tflite",
        "net.xml",
        "net.h5",
        "net.keras",
        "net.th",
        "UPPER.PTH",
    ):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "best.safetensors").write_bytes(b"x")
    (tmp_path / "runs.pt").mkdir()
    (tmp_path / "last.pth.tar").write_bytes(b"x")
    (tmp_path / "net.pt2").write_bytes(b"x")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text("{}")
    (tmp_path / "hub.pt").mkdir()
    (tmp_path / "hub.pt" / "config.json").write_text("{}")
    for name, members in ARCHIVES.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in members:
                archive.writestr(member, "x")


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("demo", "demo", "demo"),
        ("demo-textured", "demo", "demo-textured"),
        ("my_ckpt.pt", "file", "my_ckpt"),
        ("UPPER.PTH", "file", "UPPER"),
        ("runs/best.safetensors", "file", "best"),
        ("net.onnx", "onnx", "net"),
        ("net.tflite", "tflite", "net"),
        ("net.xml", "openvino", "net"),
        ("last.pth.tar", "file", "last"),
        ("net.th", "file", "net"),
        ("zipped.pt", "file", "zipped"),
        ("script.pt", "torchscript", "script"),
        ("net.pt2", "exported", "net"),
        ("program.pth", "exported", "program"),
        ("old_program.pt", "exported", "old_program"),
        ("hub", "folder", "hub"),
        ("hub/", "folder", "hub"),
        ("hub.pt", "folder", "hub.pt"),
        ("hf-hub:timm/resnet50.a1_in1k", "hub", "timm/resnet50.a1_in1k"),
        ("timm:resnet50", "timm", "resnet50"),
        ("timm:resnet50.a1_in1k", "timm", "resnet50.a1_in1k"),
        ("open_clip:ViT-B-32/openai", "open_clip", "ViT-B-32-openai"),
        ("open_clip:RN50/yfcc15m", "open_clip", "RN50-yfcc15m"),
        ("open_clip:hf-hub:laion/CLIP-ViT", "open_clip", "CLIP-ViT"),
        ("models.zoo:small", "callable", "models.zoo:small"),
        ("zoo:Net.small", "callable", "zoo:Net.small"),
    ],
)
def test_kinds_and_names(text, kind, name):
    spec = parse_spec(text)
    assert (spec.text, spec.kind, spec.name) == (text, kind, name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dmeo", f"dmeo: not a model spec. {ALLOWED} Did you mean 'demo'?"),
        ("resnet50", f"resnet50: not a model spec. {ALLOWED} Did you mean 'timm:resnet50'?"),
        ("resnet50.a1_in1k", f"resnet50.a1_in1k: not a model spec. {ALLOWED} Did you mean 'timm:resnet50'?"),
        ("ResNet50", f"ResNet50: not a model spec. {ALLOWED} Did you mean 'timm:resnet50'?"),
        ("zzzzzzzzz", f"zzzzzzzzz: not a model spec. {ALLOWED}"),
        ("gone/resnet50", f"gone/resnet50: not a model spec. {ALLOWED}"),
        ("", f"--model: is empty. {ALLOWED}"),
        ("timm:", f"timm:: not a model spec. {ALLOWED}"),
        ("a b:c", f"a b:c: not a model spec. {ALLOWED}"),
        *(
            (
                f"net{suffix}",
                f"net{suffix}: is not a model file that quba-check reads; write a function that returns it, "
                f"and give --model=package.module:callable (docs/models.md). {ALLOWED}",
            )
            for suffix in (".keras", ".h5")
        ),
        ("hf-hub:", f"hf-hub:: not a model spec. {ALLOWED}"),
        ("runs", f"runs: is a folder without config.json, which is not a model. {ALLOWED}"),
        ("runs.pt", f"runs.pt: is a folder without config.json, which is not a model. {ALLOWED}"),
        ("my_ckp.pt", "my_ckp.pt: no such file in {here}. Did you mean 'my_ckpt.pt'?"),
        (
            "runs/bst.safetensors",
            "runs/bst.safetensors: no such file in {here}/runs. Did you mean 'runs/best.safetensors'?",
        ),
        ("zzzzzzzzz.bin", "zzzzzzzzz.bin: no such file in {here}."),
        ("gone/x.pt", "gone/x.pt: no such file in {here}/gone."),
    ],
)
def test_messages(text, message, tmp_path):
    with pytest.raises(ModelError) as caught:
        parse_spec(text)
    assert str(caught.value) == message.replace("{here}", str(tmp_path))


def test_a_damaged_archive_is_left_to_whoever_reads_it(tmp_path):
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
    path.write_bytes(path.read_bytes().replace(b"PK\1\2", b"PK\0\0"))
    assert zipfile.is_zipfile(path)
    assert parse_spec(str(path)).kind == "file"


def test_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_spec("~/my_ckpt.pt").path == tmp_path / "my_ckpt.pt"


def test_reading_a_spec_loads_no_torch():
    code = (
        "import sys; from quba_check.models.specs import parse_spec; parse_spec('timm:resnet50'); "
        "sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    path = [entry for entry in sys.path if entry]
    assert (
        subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"]).returncode == 0
    )


def test_an_architecture_is_for_checkpoint_files():
    specs = [parse_spec("demo"), parse_spec("my_ckpt.pt")]
    check_takes_architecture("resnet50", specs)
    with pytest.raises(OptionError) as caught:
        check_takes_architecture("resnet50", specs[:1])
    assert str(caught.value) == (
        "--quba-arch: got 'resnet50', but 'demo' is not a checkpoint file and brings its own architecture. "
        "Leave the option out (also in the ini file)."
    )


def refused(text):
    with pytest.raises(ModelError) as caught:
        parse_spec(text)
    return str(caught.value)


PIPE = "is a pipe, a socket or a device. Allowed: a regular file."


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "link.pt").symlink_to("/dev/zero")
    assert refused("pipe.pt") == f"pipe.pt: {PIPE}"
    assert refused("link.pt") == f"link.pt: {PIPE}"


def test_paths_that_the_file_system_cannot_look_up(tmp_path):
    (tmp_path / "round.pt").symlink_to("round.pt")
    assert refused("round.pt") == "round.pt: cannot be read (Too many levels of symbolic links)."
    assert refused("x" * 300 + ".pt") == f"{'x' * 300}.pt: cannot be read (File name too long)."
    assert refused("open_clip:ViT-B-32/" + "x" * 300 + ".pt").endswith(
        ".pt: cannot be read (File name too long)."
    )


def test_nobodys_home_folder():
    for prefix, path in (
        ("", "~no-such-user/x.pt"),
        ("open_clip:local-dir:", "~no-such-user/x"),
        ("open_clip:RN50/", "~no-such-user/x.pt"),
    ):
        assert refused(prefix + path) == (
            f"{prefix}{path}: got '{path}', but the home folder of '~no-such-user' is not known. "
            "Allowed: a path without ~, or with the name of a user of this machine."
        )


@pytest.mark.parametrize("name", ["\udcff.pt", "a\nb.pt", "a\x1b[31mb.pt", "nul\0.pt"])
def test_names_that_cannot_be_shown(name):
    assert refused(name) == (
        f"--model: {name!a} names a file or folder with characters that cannot be shown. Rename it."
    )


def test_a_folder_whose_name_cannot_be_shown(tmp_path, monkeypatch):
    folder = tmp_path / "a\nb"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(folder)
    assert refused(".") == (
        "--model: '.' names a file or folder with characters that cannot be shown. Rename it."
    )


def test_names_in_other_scripts(tmp_path):
    (tmp_path / "モデル　名.pt").write_bytes(b"x")
    assert parse_spec("モデル　名.pt").name == "モデル　名"


def test_neighbours_whose_names_cannot_be_shown_are_not_proposed(tmp_path):
    (tmp_path / os.fsdecode(b"other_mine\xff.pt")).write_bytes(b"x")
    assert refused("other_mine.pt") == f"other_mine.pt: no such file in {tmp_path}."


def test_models_of_one_name_are_numbered(tmp_path):
    (tmp_path / "resnet50.pt").touch()
    specs = ["timm:resnet50", str(tmp_path / "resnet50.pt"), "demo"]
    assert {name: spec.text for name, spec in models_by_name(specs).items()} == {
        "resnet50": specs[0],
        "resnet50~2": specs[1],
        "demo": specs[2],
    }


@pytest.mark.parametrize("order", ["aab", "aba", "baa"])
def test_a_model_that_is_called_like_a_number_of_another(tmp_path, order):
    specs = []
    for number, letter in enumerate(order):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / {"a": "a.pt", "b": "a~2.pt"}[letter]
        path.touch()
        specs.append(str(path))
    models = models_by_name(specs)
    assert [spec.text for spec in models.values()] == specs
    assert next(iter(models)) == {"a": "a", "b": "a~2"}[order[0]]


def test_names_that_differ_in_capitals_alone(tmp_path):
    for folder, name in (("x", "Net.pt"), ("y", "net.pt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    assert list(models_by_name([f"{tmp_path}/x/Net.pt", f"{tmp_path}/y/net.pt"])) == ["Net", "net~2"]


@pytest.mark.parametrize("texts", [("demo", "demo"), ("my_ckpt.pt", "./my_ckpt.pt")])
def test_a_model_that_is_given_twice(texts):
    with pytest.raises(OptionError) as raised:
        models_by_name(texts)
    assert str(raised.value) == f"--model: '{texts[1]}' is given twice. Name each model once."

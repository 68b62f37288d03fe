import os
import zipfile

import pytest
from support.loaded_models import message

from quba_check.models.parsing import check_takes_architecture, models_by_name, parse_spec

FILES = (
    *("my_ckpt.pt", "net.onnx", "net.tflite", "net.xml", "net.h5", "net.keras", "net.th", "UPPER.PTH"),
    *(
        "last.pth.tar",
        "net.pt2",
        "runs/best.safetensors",
        "hub/config.json",
        "hub.pt/config.json",
        "saved/saved_model.pb",
    ),
)
ARCHIVES = {
    "zipped.pt": ["net/data.pkl", "net/byteorder"],
    "script.pt": ["net/data.pkl", "net/constants.pkl", "net/code/x.py"],
    "program.pth": ["net/archive_format", "net/models/model.json"],
    "old_program.pt": ["version", "serialized_exported_program.json"],
}


@pytest.fixture(autouse=True)
def _in_a_folder_with_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("runs", "runs.pt", "hub", "hub.pt", "saved"):
        (tmp_path / folder).mkdir()
    for name in FILES:
        (tmp_path / name).write_bytes(b"{}")
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
        ("net.keras", "keras", "net"),
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
    assert (spec.text, spec.kind.name, spec.name) == (text, kind, name)


REFUSED = (
    *(
        "dmeo",
        "resnet50",
        "resnet50.a1_in1k",
        "ResNet50",
        "zzzzzzzzz",
        "gone/resnet50",
        "",
        "timm:",
        "hf-hub:",
    ),
    *("a b:c", "saved", "net.h5", "runs", "runs.pt", "my_ckp.pt", "runs/bst.safetensors"),
    *("zzzzzzzzz.bin", "gone/x.pt", "\udcff.pt", "a\nb.pt", "a\x1b[31mb.pt", "nul\0.pt"),
    *("pipe.pt", "link.pt", "round.pt", "x" * 300 + ".pt", "open_clip:ViT-B-32/" + "x" * 300 + ".pt"),
    *("~no-such-user/x.pt", "open_clip:local-dir:~no-such-user/x", "open_clip:RN50/~no-such-user/x.pt"),
    *("open_clip:ViT-B-32", "open_clip:/openai", "open_clip:local-dir:", "open_clip:hf-hub:tiny"),
    *("open_clip:ViT-B-32/my_ckp.pt", "open_clip:local-dir:none", "open_clip:local-dir:runs"),
    *("open_clip:local-dir:without_weights", "open_clip:local-dir:with_a_pipe", "other_mine.pt"),
)


def test_messages(tmp_path, snapshot):
    for folder in ("without_weights", "with_a_pipe"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "open_clip_config.json").write_text("{}")
    os.mkfifo(tmp_path / "with_a_pipe" / "model.bin")
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "link.pt").symlink_to("/dev/zero")
    (tmp_path / "round.pt").symlink_to("round.pt")
    (tmp_path / os.fsdecode(b"other_mine\xff.pt")).write_bytes(b"x")  # not proposed: it cannot be shown
    texts = [message(parse_spec, text).replace(str(tmp_path), "HERE") for text in REFUSED]
    assert texts[14] == "my_ckp.pt: no such file in HERE. Did you mean 'my_ckpt.pt'?"
    assert "\n".join(texts) == snapshot


@pytest.mark.parametrize("text", ["~/x.pt", "open_clip:RN50/~/npmrc.pt"])
def test_files_that_are_no_models_are_not_suggested(tmp_path, monkeypatch, text):
    folder = tmp_path / "h"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    (folder / ".npmrc").write_text("secret")
    (folder / "npmrc.pem").write_text("secret")
    assert "Did you mean" not in message(parse_spec, text)
    (folder / "x.onnx").touch()
    (folder / "npmrc.bin").touch()
    assert "Did you mean" in message(parse_spec, text)


def test_a_damaged_archive_is_left_to_whoever_reads_it(tmp_path):
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
    path.write_bytes(path.read_bytes().replace(b"PK\1\2", b"PK\0\0"))
    assert parse_spec(str(path)).kind.name == "file"


def test_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_spec("~/my_ckpt.pt").path == tmp_path / "my_ckpt.pt"


def test_an_architecture_is_for_checkpoint_files():
    specs = [parse_spec("demo"), parse_spec("my_ckpt.pt")]
    check_takes_architecture("resnet50", specs)
    assert message(check_takes_architecture, "resnet50", specs[:1]) == (
        "--quba-arch: got 'resnet50', but 'demo' is not a checkpoint file and brings its own architecture. "
        "Leave the option out (also in the ini file)."
    )


def test_a_folder_whose_name_cannot_be_shown(tmp_path, monkeypatch):
    folder = tmp_path / "a\nb"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(folder)
    assert message(parse_spec, ".") == (
        "--model: '.' names a file or folder with characters that cannot be shown. Rename it."
    )


def test_names_in_other_scripts(tmp_path):
    (tmp_path / "モデル　名.pt").write_bytes(b"x")
    assert parse_spec("モデル　名.pt").name == "モデル　名"


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["0/a.pt", "1/a.pt", "2/a~2.pt"], ["a", "a~2", "a~2~2"]),
        (["0/a.pt", "1/a~2.pt", "2/a.pt"], ["a", "a~2", "a~3"]),
        (["0/a~2.pt", "1/a.pt", "2/a.pt"], ["a~2", "a", "a~3"]),
        (["x/Net.pt", "y/net.pt"], ["Net", "net~2"]),
    ],
)
def test_models_of_one_name_are_numbered(tmp_path, files, names):
    """Names that differ in capitals alone are one name: files are named after them."""
    for file in files:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    models = models_by_name(["demo", *files])
    assert {name: spec.text for name, spec in models.items()} == dict(
        zip(["demo", *names], ["demo", *files], strict=True)
    )


@pytest.mark.parametrize("texts", [("demo", "demo"), ("my_ckpt.pt", "./my_ckpt.pt")])
def test_a_model_that_is_given_twice(texts):
    assert message(models_by_name, texts) == f"--model: '{texts[1]}' is given twice. Name each model once."

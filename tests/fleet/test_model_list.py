"""Lists of models: specs, options, comments, names, and messages on mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.fleet.model_list import LONGEST_NAME, read_models, unique_names


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    path = Path("models.txt")
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_of_a_list() -> None:
    models = read_models(
        write(
            "# Candidates of March; don't add more\n"
            "\n"
            "timm:resnet50.a1_in1k   # a comment with 'one quotation mark\n"
            "runs/a/best.pth.tar arch=resnet50 preprocessing=p.yaml\n"
            "'my model.pt' arch=vit\n"
            "zoo:build\n"
            "file#1.pt\n"
        )
    )
    assert [(model.text, model.name, dict(model.options)) for model in models] == [
        ("timm:resnet50.a1_in1k", "resnet50.a1_in1k", {}),
        ("runs/a/best.pth.tar", "best", {"arch": "resnet50", "preprocessing": "p.yaml"}),
        ("my model.pt", "my-model", {"arch": "vit"}),
        ("zoo:build", "zoo-build", {}),
        ("file#1.pt", "file-1", {}),
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('"my models/v #2.onnx"', "my models/v #2.onnx"),
        ("'#1 best.pt' # the 'best' one", "#1 best.pt"),
        (r"a\ #1.pt  # isn't quoted", "a #1.pt"),
        ("a.pt # one # two", "a.pt"),
        ("v#2' #3'.pt", "v#2 #3.pt"),
    ],
)
def test_a_comment_begins_outside_quotation_marks(line: str, text: str) -> None:
    assert [model.text for model in read_models(write(line))] == [text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a.pt arch=r\nb.pt\na.pt\n",
            "models.txt:3: 'a.pt' is listed twice, first in line 1. Name each model once.",
        ),
        (
            "a.pt arhc=r\n",
            "models.txt:1: got 'arhc=r' after the model. Allowed: arch=VALUE, preprocessing=VALUE. "
            "Did you mean 'arch'? A model spec with blanks stands in quotation marks.",
        ),
        (
            "my model.pt\n",
            "models.txt:1: got 'model.pt' after the model. Allowed: arch=VALUE, preprocessing=VALUE. "
            "A model spec with blanks stands in quotation marks.",
        ),
        (
            "'my model.pt\n",
            "models.txt:1: a quotation mark is not closed, got ''my model.pt'. "
            "Allowed: a model spec, in quotation marks if it has blanks.",
        ),
        (
            "a.pt arch=\n",
            "models.txt:1: got 'arch=' after the model. Allowed: arch=VALUE, preprocessing=VALUE. "
            "Did you mean 'arch'? A model spec with blanks stands in quotation marks.",
        ),
        ("a.pt arch=a arch=b\n", "models.txt:1: arch is given twice. Allowed: once."),
        ("# nothing yet\n", "models.txt: the file lists no model. Allowed: a model spec in each line."),
    ],
)
def test_a_mistake_in_a_list(text: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_models(write(text))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["runs/a/best.pt", "runs/b/best.pt", "c.pt"], ["a-best", "b-best", "c"]),
        (["x/a/m.pt", "y/a/m.pt", "m.pt"], ["x-a-m", "y-a-m", "m"]),
        (["Net.pt", "other/net.pt"], ["Net", "other-net"]),
        (["hf-hub:timm/vit.a1", "open_clip:ViT-B-32/openai"], ["timm-vit.a1", "ViT-B-32-openai"]),
    ],
)
def test_names(texts: list[str], names: list[str]) -> None:
    assert unique_names(texts) == names


def test_specs_without_a_letter_get_a_name() -> None:
    names = unique_names(["../..", "..."])
    assert all(name.startswith("model-") for name in names)
    assert names[0] != names[1]


def test_files_that_differ_in_their_suffix_get_digests() -> None:
    names = unique_names(["a.pt", "a.pth"])
    assert all(name.startswith("a-") and len(name) == 10 for name in names)
    assert names == unique_names(["a.pt", "a.pth"])
    assert names[0] != names[1]


def test_long_names_fit_a_file_system() -> None:
    names = unique_names([f"{'x' * 300}1.pt", f"{'x' * 300}2.pt"])
    assert [len(name) for name in names] == [LONGEST_NAME] * 2

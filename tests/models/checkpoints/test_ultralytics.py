"""Checkpoints and exports of ultralytics, against its own validation of a network that it trained."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.loaded_models import load as load_model
from support.loaded_models import refusal

from quba_check import Options, judge
from quba_check.models.checkpoints.ultralytics import Logits

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="needs ultralytics"),
    pytest.mark.filterwarnings("ignore"),  # those of its modules
]
SUITE = ("red", "green", "blue")
"""The suite's order, which is not that of the folders."""
NETWORK = """
nc: 3
backbone: [[-1, 1, Conv, [8, 3, 2]], [-1, 1, Conv, [16, 3, 2]]]
head: [[-1, 1, Classify, [nc]]]
"""
TRAINING = """
import json
from pathlib import Path
from ultralytics import YOLO
from ultralytics.engine.trainer import BaseTrainer

BaseTrainer.read_results_csv = lambda self: {}  # needs polars
here = {"project": str(Path.cwd()), "device": "cpu", "verbose": False, "exist_ok": True}
quick = {"data": str(Path("data").resolve()), "imgsz": 32, "workers": 0, "plots": False, **here}
model = YOLO("net.yaml", task="classify")
learning = {"optimizer": "AdamW", "lr0": 0.06, "warmup_epochs": 0, "nbs": 3, "auto_augment": None, "seed": 3}
model.train(epochs=1, batch=3, amp=False, name="train", **learning, **quick)
best = str(model.trainer.best)
Path("best.pt").write_bytes(Path(best).read_bytes())
paths = sorted(map(str, Path("data/val").glob("*/*.png")))
rows = YOLO(best).predict(paths, imgsz=32, batch=1, save=False, **here)
Path("own.json").write_text(json.dumps({
    "top1": float(YOLO(best).val(name="val", **quick).top1),
    "answers": {one.path: one.probs.data.tolist() for one in rows},
}))
for kind in ("torchscript", "onnx", "openvino"):
    YOLO("best.pt").export(format=kind, imgsz=32, device="cpu", verbose=False)
YOLO("yolo11n.yaml", task="detect").save("detect.pt")
"""
load = partial(load_model, classes=SUITE, trust_pickle=True)
EXPORTS = ("best.torchscript", "best.onnx", "best_openvino_model/best.xml")
NOT_TRUSTED = (
    "best.pt: is a pickled model of ultralytics, which runs code when it is read; nothing of it was run. If "
    "you trust whoever made the file, give --quba-trust-pickle (docs/security.md)."
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, a network that ultralytics trained on them, its exports and its own answers."""
    folder = tmp_path_factory.mktemp("ultralytics")
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for channel, name in enumerate(SUITE):
            (folder / "data" / split / name).mkdir(parents=True)
            for number in range(7):  # of several sizes, so that resize and crop matter
                pixels = random.integers(0, 200, (34 + 5 * number, 60 - 3 * number, 3))
                pixels[..., channel] += 55
                picture = Image.fromarray(pixels.astype(np.uint8))
                picture.save(folder / "data" / split / name / f"{number}.png")
    (folder / "net.yaml").write_text(NETWORK)
    sets = "sets:\n  clean: {reader: folder, path: val}\n"
    head = f"schema: 1\nname: colours\nclasses: [{', '.join(SUITE)}]\nimage_size: 48\n"
    (folder / "data" / "quba-data.yaml").write_text(head + sets)
    settings = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(folder)}
    run = [sys.executable, "-c", TRAINING]
    done = subprocess.run(run, cwd=folder, env=os.environ | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(autouse=True)
def _settings(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(trained))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    monkeypatch.setattr(Image, "open", Image.open)  # ultralytics replaces both
    monkeypatch.setattr(torch, "save", torch.save)
    with np.printoptions():  # that of numpy, too
        yield


@pytest.mark.parametrize("name", ["best.pt", *EXPORTS])
def test_a_gate_run_has_the_accuracy_of_ultralytics(name, trained, tmp_path):
    (tmp_path / "gate.yaml").write_text("schema: 1\ndimensions: {accuracy: {min: 0.01}}\n")
    options = Options(store=tmp_path, trust_pickle=True, device="cpu")
    record = judge(str(trained / name), trained / "data", tmp_path / "gate.yaml", options=options)
    own = json.loads((trained / "own.json").read_text())["top1"]
    assert record.measurements["accuracy"].value == pytest.approx(own, abs=1e-6)
    assert own > 0.4  # not all answers are equal


@pytest.mark.parametrize("name", ["best.pt", *EXPORTS])
def test_each_image_gets_the_probabilities_of_ultralytics(name, trained):
    classifier = load(trained / name)
    transform = classifier.preprocessing.transform(crop=True)
    answers = json.loads((trained / "own.json").read_text())["answers"]
    assert len(answers) == 21
    for path, expected in answers.items():
        raw = classifier.raw(transform(Image.open(trained / path).convert("RGB"))[None] / 255)
        ours = raw.softmax(dim=1) if name == "best.pt" else raw
        assert ours[0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_states_outputs_size_and_names(name, trained, monkeypatch):
    monkeypatch.chdir((trained / name).parent)
    name = Path(name).name
    classifier = load(name, image_size=48)
    preprocessing = classifier.preprocessing
    assert classifier.stated_outputs == "probabilities"
    assert classifier.head.columns == (2, 1, 0)
    assert preprocessing.describe() == "32 × 32, bilinear, crop 1, mean 0, std 1"
    parts = "" if name.endswith(".torchscript") else f" (input_size: the input of {name})"
    assert preprocessing.source == f"the metadata of {name}{parts}"


def test_a_checkpoint_has_its_logits_size_and_names(trained, monkeypatch):
    monkeypatch.chdir(trained)
    opener = Image.open
    classifier = load("best.pt", image_size=48)
    assert Image.open is opener
    assert isinstance(classifier.module, Logits)
    assert classifier.stated_outputs == "logits"
    assert classifier.libraries.keys() == {"ultralytics"}
    assert classifier.facts.parameters == classifier.facts.trainable
    assert classifier.facts.weight_bytes < 3 * classifier.facts.parameters  # stored in half precision
    assert classifier.notes == (
        "weights were taken from 'model'",
        "the logits of its head are used, not the probabilities",
        "images are prepared at 32 × 32 as best.pt states, not at the suite's 48 × 48",
        "the outputs are put into the suite's order by their names, as best.pt states",
    )
    assert classifier.fingerprint == load("best.pt", image_size=48).fingerprint
    assert classifier.preprocessing.source == "best.pt"


def test_a_checkpoint_of_a_training_that_goes_on_has_averaged_weights(trained, tmp_path, monkeypatch):
    checkpoint = torch.load(trained / "best.pt", weights_only=False)
    averaged = checkpoint["model"]
    torch.save(checkpoint | {"ema": averaged, "model": None}, tmp_path / "last.pt")
    monkeypatch.chdir(tmp_path)
    classifier = load("last.pt", arch="resnet18")
    assert classifier.notes[0] == "weights were taken from 'ema'"
    assert classifier.notes[2] == "last.pt brings its own architecture: --quba-arch has no effect"


def test_a_head_of_an_earlier_release_gives_probabilities_alone(trained, tmp_path, monkeypatch):
    checkpoint = torch.load(trained / "best.pt", weights_only=False)
    checkpoint["model"].model[-1].export = True  # returns what earlier releases return
    torch.save(checkpoint, tmp_path / "old.pt")
    monkeypatch.chdir(tmp_path)
    classifier = load("old.pt")
    assert classifier.stated_outputs == "probabilities"
    assert classifier.notes == (
        "weights were taken from 'model'",
        "the outputs are put into the suite's order by their names, as old.pt states",
    )


def test_refused(trained, monkeypatch):
    assert refusal(trained / "best.pt", SUITE) == NOT_TRUSTED
    detects = (
        "detect.pt: is not a classifier of ultralytics, got DetectionModel. quba-check judges classifiers."
    )
    assert refusal(trained / "detect.pt", SUITE) == detects
    for name in [name for name in sys.modules if name.partition(".")[0] == "ultralytics"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    assert refusal(trained / "best.pt", SUITE, trust_pickle=True) == (
        "best.pt: a checkpoint of ultralytics needs ultralytics, which is not installed. Install it: "
        "pip install ultralytics."
    )


def test_a_checkpoint_that_cannot_be_built(trained, tmp_path):
    checkpoint = torch.load(trained / "best.pt", weights_only=False)
    torch.save({"net": checkpoint["model"]}, tmp_path / "x.pt")
    text = "x.pt: cannot be read as a checkpoint of ultralytics: KeyError: 'model'"
    assert refusal(tmp_path / "x.pt", SUITE, trust_pickle=True) == text


def test_its_import_leaves_the_process_as_it_was(trained):
    code = """
import os, sys
import numpy as np
from PIL import Image
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
assert "ultralytics" not in sys.modules
own = "TORCHINDUCTOR_CACHE_DIR"  # set by torch itself
state = lambda: ({**os.environ, own: ""}, Image.open, np.get_printoptions())
before = state()
load_classifier(sys.argv[1], LoadRequest(classes=("blue", "green", "red"), trust_pickle=True))
assert "ultralytics" in sys.modules and state() == before
"""
    done = subprocess.run([sys.executable, "-c", code, trained / "best.pt"], check=False)
    assert done.returncode == 0

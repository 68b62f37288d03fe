"""Records for tests of pages: of the demo's models, of 1,000 classes, with hostile names, with gaps.

sample_records.zip holds demo.json and textured.json with their .npz, which make_samples.py makes again.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from support.gate import thresholds
from support.tuned import quantity, record

from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CORRUPTIONS, View
from quba_check.dimensions import registry
from quba_check.records.measurement import row_of
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.record import Record
from quba_check.tuning.what_if import what_if
from quba_check.verdicts.stored_verdicts import read_record

SAMPLES = Path(__file__).with_name("sample_records.zip")
SHIFTS = ("imagenet_r", "sketch", "stylized", "edge", "silhouette")
HOSTILE = "<script>document.title='run'</script>\"><img src=x onerror=document.title='run'>{{7*7}}\u202e&amp;"
"""A name with code, the end of an attribute, a template and a turn of direction, harmless if escaped."""
THRESHOLDS = """\
name: release
dimensions:
  accuracy: {min: 0.9}
  adversarial_robustness: {min: 0.1}
  corruption_robustness: {min: 0.3, parts: {fog: {min: 0.99}, snow: {min: 0.1, tier: warn}}}
  ood_robustness: {min: 0.2}
  calibration_error: {max: 0.001}
  class_balance: {min: 0.5}
  object_focus: {min: 0.5}
  shape_bias: {min: 0.9}
  parameters: {max: 30}
"""


def write_samples(folder: Path) -> None:
    """Write demo.json, demo.npz, textured.json and textured.npz."""
    with zipfile.ZipFile(SAMPLES) as packed:
        packed.extractall(folder)


def sample(folder: Path, name: str) -> StoredRun:
    """Return the run of a written sample, `demo` or `textured`."""
    path = folder / f"{name}.json"
    return stored_run(path, path.name, read_record(path), folder / "no-store")


def run_of_1000_classes(classes: int = 1_000, images: int = 5_000) -> StoredRun:
    """A run on generated answers in the layout of the ImageNet family; three demands fail."""
    names = tuple(f"class {k} of a long scientific name" for k in range(classes))
    suite = SuiteFacts(
        "imagenet", classes, SHIFTS, CORRUPTIONS, dict.fromkeys(SHIFTS, None), class_names=names
    )
    facts = Facts(suite, ModelFacts(25_557_032, 25_557_032))
    tables: dict[View, Predictions] = {}
    rows = {}
    influences = PerImage()
    for name in PUBLISHED_DIMENSIONS:
        views = registry[name].views(suite)
        tables |= {view: _answers(view, classes, images) for view in views if view not in tables}
        measured = registry[name].measure({view: tables[view] for view in views}, facts)
        rows[name] = row_of(measured, registry[name], suite)
        influences = influences.merged(PerImage.of(measured))
    files = [f"imagenet/val/n{k % classes:08}/ILSVRC2012_val_{k:08}.JPEG" for k in range(images)]
    sets = {view.set: {"images": images, "expected": 50_000} for view in tables}
    content = {
        "schema": 1,
        "model": {
            "spec": "timm:resnet50.a1_in1k",
            "name": "resnet50.a1_in1k",
            "fingerprint": "5" * 32,
            "parameters": 25_557_032,
            "preprocessing": {"input_size": [3, 224, 224], "source": "timm"},
            "classes": classes,
            "outputs": "logits",
        },
        "suite": {"name": "imagenet", "root": "/data", "fingerprint": "6" * 32, "sets": sets},
        "protocol": "standard",
        "measurements": {name: row.model_dump() for name, row in rows.items()},
        "environment": {
            "versions": {"quba-check": "0.2.0", "torch": "2.6.0"},
            "device": "cuda",
            "precision": "fp32",
            "seed": 0,
            "time": "2026-01-02T03:04:05+00:00",
            "git": "0123456789abcdef",
        },
    }
    answers = CleanAnswers.of(tables[CLEAN], files, names)
    return judged(
        StoredRun("imagenet.json", Record.model_validate(content), PerImage(influences.influences, answers))
    )


def _answers(view: View, classes: int, images: int) -> Predictions:
    """Return random answers, right for about four of five images."""
    rng = np.random.default_rng(list(str(view).encode()))
    label = np.arange(images) % classes
    predicted = np.where(rng.random(images) < 0.8, label, rng.integers(0, classes, images))
    confidence = rng.uniform(0.5, 1, images).astype(np.float32)
    true_probability = np.where(predicted == label, confidence, (1 - confidence) / 2).astype(np.float32)
    probabilities = None
    if view == CLEAN:
        probabilities = np.repeat(((1 - confidence) / (classes - 1))[:, None], classes, axis=1)
        probabilities[np.arange(images), predicted] = confidence
    no = np.zeros(images, bool)
    extra = {"texture": (label + 1) % classes, "zero_gradient": no, "always_right": no}
    return Predictions(
        np.arange(images), label, predicted, confidence, true_probability, probabilities, extra
    )


def judged(run: StoredRun, text: str = THRESHOLDS) -> StoredRun:
    """Return the run with the verdicts of a threshold file."""
    return StoredRun(run.file, what_if(run, thresholds(text)).record, run.images)


def with_hostile_names(run: StoredRun) -> StoredRun:
    """Return the run with hostile text in place of each name from outside."""
    content = json.loads(run.record.to_json())
    content["model"] |= {"name": HOSTILE, "spec": HOSTILE}
    content["model"]["preprocessing"] |= {"source": HOSTILE, HOSTILE: HOSTILE}
    content["suite"] |= {"name": HOSTILE, "root": f"/{HOSTILE}"}
    content["suite"]["sets"][HOSTILE] = {"images": 3}
    content["environment"] |= {"device": HOSTILE, "git": HOSTILE}
    content["environment"]["versions"][HOSTILE] = HOSTILE
    content["notes"] = [HOSTILE]
    parts = content["measurements"]["ood_robustness"]["parts"]
    for part in ("sketch", "sketch_accuracy", "sketch_matched"):
        parts[part.replace("sketch", HOSTILE)] = parts.pop(part)
    content["measurements"]["accuracy"]["notes"] = [HOSTILE]
    content["measurements"][HOSTILE] = {"unmeasurable": HOSTILE}
    for row in content["verdicts"]:
        row |= {
            "id": f"{HOSTILE}::{row['id']}",
            "file": HOSTILE,
            "threshold_file": HOSTILE,
            "title": HOSTILE,
            "message": f"{row['message']}\n{HOSTILE}",
        }
    for row in content["grades"]:
        row |= {"file": HOSTILE, "population": HOSTILE, "notes": [HOSTILE]}
    images = run.images
    if images is not None and images.clean is not None:
        clean = images.clean
        named = [f"{HOSTILE}/{number}" for number in range(len(clean.names))]
        classes = [f"{HOSTILE} {number}" for number in range(len(clean.classes))]
        images = PerImage(
            images.influences,
            CleanAnswers(
                named, clean.label, clean.predicted, classes, clean.index, clean.confidence, clean.loss
            ),
        )
    return StoredRun(f"{HOSTILE}.json", Record.model_validate(content), images)


def with_gaps(run: StoredRun) -> StoredRun:
    """Return the run with missing, unmeasurable and not measured values, and numbers that are not finite."""
    content: dict[str, Any] = json.loads(run.record.to_json())
    measurements = content["measurements"]
    measurements["accuracy"] |= {"interval": None, "limits": None, "n": None}
    measurements["calibration_error"] = {"unmeasurable": "the model gives no probabilities"}
    measurements["class_balance"] = {"not_measured": True}
    measurements["corruption_robustness"]["parts"] = {}
    del measurements["object_focus"]
    content["model"]["preprocessing"] |= {"mean": float("nan"), "std": float("inf")}
    content["grades"] = []
    nothing = {"headline": ""}
    content["verdicts"][0] |= {"bound": float("nan"), "outcome": "unmeasurable", "explanation": nothing}
    content["verdicts"][1] |= {"bound": float("inf"), "outcome": "not run", "explanation": nothing}
    content["verdicts"][2] |= {"outcome": "skipped", "explanation": {"headline": "its sets are missing"}}
    content |= {"interrupted": True, "limit": 50}
    content["environment"] |= {"git": None, "versions": {}}
    return StoredRun("gaps.json", Record.model_validate(content), None)


def run_with_confusions(classes: int = 20) -> StoredRun:
    """A run with a confusion matrix of numbers of up to four characters."""
    names = [f"class number {k}" for k in range(classes)]
    pairs = [(k, (k + step) % classes, step) for k in range(classes) for step in (1, 2, 3)]
    columns = ["label", "predicted", "images", "share"]
    rows = [[names[k], names[other], 12_345 // step**2, 0.5 / step**2] for k, other, step in pairs]
    tables = {"confusions": {"columns": columns, "rows": rows}}
    row = quantity(0.5, 0.01, "fraction", better="high", tables=tables)
    return StoredRun("r.json", record(measurements={"classes": row}))

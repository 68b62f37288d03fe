"""Rows on judging planned answers to many images, views, classes, slices and demands, read from a store.

`python -m benchmarks.judging` runs the gate in a folder that it wrote before, and prints where the time goes.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.measuring import run
from benchmarks.row import Row
from benchmarks.work import Work
from quba_check.core.view import View
from quba_check.evaluation import Evaluation
from quba_check.gate.options import Options
from quba_check.gate.session import GateSession
from quba_check.storage.shard import encode_shards

WHOLE = {"images": 50_000, "classes": 1_000, "groups": 12_500, "slices": 8, "demands": 100}
SMALL = {"images": 12_500, "classes": 250, "groups": 3_125, "slices": 4, "demands": 100}
"""Numbers of the goal and of a smaller run; of slices those of each of three columns."""
SHIFTS = 12
COLUMNS = ("lighting", "camera", "site")
SETS = ("clean", "shift0", "fog")
MODEL = """from torch import manual_seed, nn
def model():
    manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, {}))
"""
OPTIONS = "--quba-data=data --quba-store=store --quba-record=record.json -q -p no:cacheprovider demands.yaml"
STAGES = "load _list_examples shard_keys settle predictions _measure judge records images_of examine_model"
"""Functions whose time is shown, without that of inner ones; of `_measure` by dimension."""


def rows(work: Work) -> Iterator[Row]:
    """Yield the rows of the goal, and of four times as much of one number as in a smaller run."""
    title = "judging 50,000 images × 90 views × 1,000 classes, 100 demands"
    whole = work.new_folder()
    seconds, memory, stages = gate(whole, WHOLE)
    yield Row.at_most(title, seconds, "s", stages, 60)
    yield Row.at_most(f"{title}: memory", memory, "MB", "of the process of the gate", 4000, 0)
    many, _, stages = gate(whole, WHOLE | {"demands": 500})
    yield Row.at_most("the same, 500 demands: times as long", many / seconds, "×", stages, 1.5, 2)
    base = gate(work.new_folder(), SMALL)[0]
    for name, value in SMALL.items():
        longer, _, stages = gate(work.new_folder(), SMALL | {name: 4 * value})
        details = f"{longer:.1f} against {base:.1f} s; {stages}"
        yield Row.at_most(f"judging 4 × {name}: times as long", longer / base, "×", details, 4, 2)


def gate(folder: Path, size: dict[str, int]) -> tuple[float, float, str]:
    """Return CPU seconds, MB and stages of a gate run in a process of its own; write what is missing."""
    (folder / "demands.yaml").write_text(json.dumps(demands(size["demands"])), encoding="utf-8")
    if not (folder / "store").exists():
        run(["-m", "benchmarks.judging", *map(str, size.values())], folder)
    used = run(["-m", "benchmarks.judging"], folder, allowed=(0, 1))
    return used.cpu, used.memory, used.output.splitlines()[-1]


def demands(count: int) -> dict[str, object]:
    """Return a threshold file: 31 demands on dimensions and all classes, and eight on each of several."""
    least = {"min": 0}
    bounds = {"min_images": 1, "min_groups": 1, "worst": {"min": 0}, "gap": {"max": 1}}
    sliced, (blocks, others) = {"min": 0, "slices": dict.fromkeys(COLUMNS, bounds)}, divmod(count - 31, 8)
    names = "corruption_robustness", "ood_robustness", "adversarial_robustness", "class_balance"
    accuracy = [sliced, *(least | {"set": f"shift{number}"} for number in range(SHIFTS))]
    measured = {"calibration_error": {"max": 1}, "accuracy": accuracy} | dict.fromkeys(names, least)
    classes: dict[str, object] = {name: {"recall": least, "f1": least} for name in ("each", "macro")}
    for k in range(blocks):
        classes[f"c{k}"] = [{"recall": sliced, "set": SETS[k % len(SETS)]}, {"auroc": least}]
    classes |= {f"c{k}": {"precision": least} for k in range(blocks, blocks + others)}
    answers = {"at": {"probability": 0.7}, "share": least, "accuracy": least, "aurc": {"max": 1}}
    return {"schema": 1, "dimensions": measured, "classes": classes, "answers": answers}


def write(folder: Path, images: int, classes: int, groups: int, slices: int, _demands: int) -> None:
    """Write a suite of images of one pixel, a model, and a store with planned answers to all views."""
    (folder / "data" / "images").mkdir(parents=True)
    lines = [",".join(("path", "label", "patient", *COLUMNS))]
    for number, row in enumerate(np.random.default_rng(0).integers(0, slices, (images, len(COLUMNS)))):
        (folder / f"data/images/{number}.ppm").write_bytes(b"P6 1 1 255\n" + number.to_bytes(3, "big"))
        lines.append(f"images/{number}.ppm,c{number % classes},{number % groups},{','.join(map(str, row))}")
    (folder / "data/images.csv").write_text("\n".join(lines), encoding="utf-8")
    entry = {"reader": "csv", "path": "images.csv", "group": "patient", "slices": COLUMNS}
    sets = {"clean": entry, "corruptions": {"generate": "from clean"}}
    sets["shifts"] = {f"shift{number}": entry for number in range(SHIFTS)}
    names = [f"c{number}" for number in range(classes)]
    manifest = {"schema": 1, "name": "judging", "classes": names, "image_size": 32, "sets": sets}
    (folder / "data/quba-data.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "linear.py").write_text(MODEL.format(classes), encoding="utf-8")
    options = {"quba_model": ["linear:model"], "quba_data": "data", "quba_store": "store"}
    session = GateSession(Options.parse(options, folder), folder, files=(folder / "demands.yaml",))
    session.select(session.demands(session.files))
    evaluation = session.evaluation(*session.models_and_protocols()[0])
    evaluation.classifier.outputs = "logits"
    for number, work in enumerate(evaluation.planned_work()):
        columns = planned(number, work.view, evaluation)
        for key in (keys := evaluation.engine.cache_keys.shard_keys(work.view)):
            own = {name: column[list(key.indices)] for name, column in columns.items()}
            evaluation.store.put(key, encode_shards([key], own, {"outputs": "logits"}))
        evaluation.store.pack(keys)
    session.close()


def planned(number: int, view: View, evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Return the columns of a view, with the model's own answers to the images that a run predicts again."""
    keys = evaluation.engine.cache_keys
    images = evaluation.engine.contents
    examples = evaluation.suite.examples(view)
    label = np.array([one.label for one in examples])
    classes = len(evaluation.suite.classes)
    rng = np.random.default_rng(number)
    rows = np.arange(len(label))
    is_right = rng.random(len(label)) < 0.8 - 0.005 * number
    top1 = np.where(is_right, label, (label + rng.integers(1, classes, len(label))) % classes)
    confidence = rng.uniform(0.4, 1, len(label)).astype(np.float32)
    true = np.where(is_right, confidence, (1 - confidence) / 2)
    columns = dict.fromkeys(keys.columns(view), np.zeros(len(label), bool))
    if "probabilities" in columns:
        table = columns["probabilities"] = rng.random((len(label), classes), np.float32)
        table[rows, top1] = classes * confidence
        table /= table.sum(axis=1, keepdims=True)
        confidence = table[rows, top1]
        true = table[rows, label]
    columns |= {"index": rows, "label": label, "top1": top1, "confidence": confidence}
    columns["true_probability"] = true
    digests = np.concatenate([images.image_digests(view, shard) for shard in images.shards(view)])
    probed = np.sort(np.argsort(digests)[:16])  # see `StoredCheck`
    if view.attack is None:
        answers, _ = evaluation.engine.worker.predict_again(view, [examples[row] for row in probed], False)
        for name, values in answers.items():
            columns[name][probed] = values
    return columns


def main() -> None:
    """Write a folder of a size, or run the gate in it and print the CPU seconds of its stages."""
    if len(sys.argv) > 1:
        return write(Path.cwd(), *map(int, sys.argv[1:]))
    stages = Counter[str]()
    times = [time.process_time()]

    def count(_signal: int, frame: Any) -> None:
        times.append(time.process_time())
        while frame.f_back is not None and frame.f_code.co_name not in STAGES.split():
            frame = frame.f_back
        name = "other" if frame.f_back is None else frame.f_code.co_name
        stages[str(frame.f_locals["name"]) if name == "_measure" else name] += times[-1] - times[-2]

    signal.signal(signal.SIGPROF, count)
    signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
    code = pytest.main(["--model=linear:model", *OPTIONS.split()])
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(", ".join(f"{name} {seconds:.1f}" for name, seconds in stages.most_common(12)))
    sys.exit(code)


if __name__ == "__main__":
    main()

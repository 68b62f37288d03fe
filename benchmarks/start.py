"""Rows on the start and the end of a run: CPU time of their stages, and of a verdict on stored answers."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import quba_check
from benchmarks import material
from benchmarks.measuring import cpu_of, environment, run
from benchmarks.row import Row
from benchmarks.work import MOBILENET, VIT, Work, request
from quba_check.doctor.examination import Examination, examine_model
from quba_check.evaluation import Evaluation
from quba_check.models.loading import load_classifier
from quba_check.suites.opening import open_suite

GOAL = 2.0
DECODER_GOAL = 0.1
END_GOAL = 0.5
VERDICT_GOAL = 1.9
BYTECODE_GOAL = 2.5
DECODERS = "quba_check.models.preprocessing.torchvision_decoders"
ROUNDS = 5
"""Each row is the best of them."""
CLASSES = 64
PHOTOS_PER_CLASS = 6
PATIENCE = 120.0
PROGRESS = re.compile(rb"\x1b7\r(.+?)\x1b8", re.DOTALL)
"""The progress line: the cursor is saved before it and restored after it."""
STYLES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
PREDICTED = re.compile(r"\b[\d,]+ (?:of [\d,]+ )?images\b|^doctor: ")
"""A line on predicted images, or on the doctor, who begins with the first ones."""


@dataclass(frozen=True, order=True)
class Moment:
    """A line that a run printed, and its CPU seconds until then."""

    spent: float
    line: str


def rows(work: Work) -> list[Row]:
    """Return the rows on `pytest --model=demo`, with stores of three contents, and on the doctor."""
    store = work.new_folder()
    torch_alone, decoder, torchvision = (
        min(run(["-c", f"import {module}"], store).cpu for _ in range(ROUNDS))
        for module in ("torch", DECODERS, "torchvision.io")
    )
    results = [
        Row("CPU of `import torch`", f"{torch_alone:.1f} s", f"best of {ROUNDS}"),
        Row.at_most(
            "CPU of the decoder of JPEG files, after torch", decoder - torch_alone, "s",
            f"{torchvision - torch_alone:.1f} s with the rest of torchvision", DECODER_GOAL,
        ),
    ]  # fmt: skip
    for state, lost in {"an empty store": ".", "the demo's images drawn before": "predictions"}.items():
        starts = []
        for _ in range(ROUNDS):
            shutil.rmtree(store / lost, ignore_errors=True)
            store.mkdir(exist_ok=True)
            starts.append(watched_run(store, PREDICTED))
        for number, what in enumerate(("line", "line on predicted images")):
            best = min(moments[number] for moments in starts)
            title = f"CPU before the first progress {what}, demo, {state}"
            results.append(Row.at_most(title, best.spent, "s", f"'{best.line}'", GOAL))
    watched_run(store)
    runs = [watched_run(store) for _ in range(ROUNDS)]
    after, text = min((end.spent - last.spent, last.line.strip("= ")) for last, end in runs)
    spent = min(end.spent for _, end in runs)
    results += [
        Row.at_most("CPU after the last line, demo, everything stored", after, "s", text, END_GOAL),
        Row.at_most(
            "CPU of the whole command, demo, everything stored", spent / torch_alone, "× `import torch`",
            f"{spent:.1f} s", VERDICT_GOAL,
        ),
    ]  # fmt: skip
    results.append(row_without_bytecode(work.new_folder(), store, torch_alone))
    return results + [doctor_row(work, architecture) for architecture in (MOBILENET, VIT)]


def row_without_bytecode(folder: Path, store: Path, torch_alone: float) -> Row:
    """Return the row on a package that is compiled in each run, as in a container without bytecode."""
    package = Path(quba_check.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    best = min(watched_run(store, settings=settings)[1].spent for _ in range(ROUNDS))
    return Row.at_most(
        "CPU of the whole command, demo, everything stored, PYTHONDONTWRITEBYTECODE=1",
        best / torch_alone, "× `import torch`", f"{best:.1f} s", BYTECODE_GOAL,
    )  # fmt: skip


def doctor_row(work: Work, architecture: str) -> Row:
    """Return the row on the doctor of a model that is right on nine of ten photos, in folders of a class."""
    root = work.folder / "doctor"
    if not root.exists():
        for number in range(CLASSES):
            first = number * PHOTOS_PER_CLASS
            folder = root / "imagenet" / "val" / material.synsets()[number]
            material.write_photos(folder, range(first, first + PHOTOS_PER_CLASS))
        manifest = (
            "schema: 1\nname: doctor\nclasses: imagenet\nsets:\n"
            "  clean: {reader: folder, path: imagenet/val, partial: true}\n"
        )
        (root / "quba-data.yaml").write_text(manifest, encoding="utf-8")
    path = material.write_fitted_model(architecture, root, root / f"{architecture}.pt")
    suite = open_suite(root)
    store = work.new_folder()
    examinations: list[Examination] = []

    def spent() -> float:
        """Return the CPU seconds of an examination before a gate, in addition to the run's first shard."""
        classifier = load_classifier(str(path), request(suite, architecture, exact=False))
        evaluation = Evaluation(classifier, suite, store=store)
        evaluation.plan(["accuracy"])
        evaluation.check()
        needs = {"accuracy": ["benchmark.yaml:1"]}
        return cpu_of(lambda: examinations.append(examine_model(evaluation, needs, short=True)))

    best = min(spent() for _ in range(ROUNDS))
    last = examinations[-1]
    return Row.at_most(
        f"CPU of the doctor before a gate, {architecture}", best, "s",
        f"best of {ROUNDS}; {last.forwards} images shown and {last.decoded} decoded to check them", GOAL,
    )  # fmt: skip


def watched_run(
    store: Path, until: re.Pattern[str] | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> tuple[Moment, Moment]:
    """Run the demo in a terminal until a progress line matches; return the first line, and that one.

    Without a pattern, run it to its end; return the last line of the output, and the end.
    """
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    command = [sys.executable, "-m", "pytest", "--model=demo", f"--quba-store={store}",
               "-p", "no:cacheprovider"]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=store, start_new_session=True,
        env={**environment(), "TERM": "xterm-256color", **settings},
    )  # fmt: skip
    os.close(terminal)
    output = b""
    moments = list[Moment]()
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([main], [], [], 0.05)[0]:
                continue
            try:
                output += os.read(main, 65536)
            except OSError:  # the terminal is closed: the command ended
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
                if until is None:
                    return moments[-1], Moment(_cpu(process.pid), "")
                break
            spent = _cpu(process.pid)
            shown = PROGRESS.findall(output) if until else output.splitlines()[-1:]
            lines = [STYLES.sub(b"", line).decode("utf-8", "replace") for line in shown]
            if lines and not (until and moments):
                moments.append(Moment(spent, lines[0]))
            if until and (counting := next(filter(until.search, lines), None)):
                return moments[0], Moment(spent, counting)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(main)
    raise SystemExit(f"{' '.join(command)}: it did not end as expected. It printed: {output[-2000:]!r}")


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a running process and its ended children, from Linux's /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

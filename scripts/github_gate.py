"""The gate of the GitHub action: runs pytest, prints annotations, and sets the action's outputs.

It reads the inputs from environment variables QUBA_INPUT_…, so that no shell interprets them. Its exit code
is 0 if the gate ran to its end, whatever the verdict; the output `code` has the gate's exit code.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

VERDICTS = ("pass", "partial", "not judged", "incomplete", "uncertain", "fail", "interrupted")
"""Overall verdicts, the most severe last."""
LETTERS = ("A", "B", "C", "D", "F")
SINGLE = ("data", "arch", "preprocessing", "baseline", "html")
"""Inputs that are options of pytest with one value."""
SWITCHES = ("blocking", "comment")
USAGE_ERROR = 4
"""Exit code of a run whose options were refused."""
NOT_RELEASED = (1, 5, 6)
"""Exit codes of verdicts, as opposed to errors."""


def lines(text: str) -> list[str]:
    """Return the lines of an input that are not blank."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def arguments(inputs: Mapping[str, str], record: Path, summary: Path) -> list[str]:
    """Return the arguments of pytest; each line of `args` is one."""
    single = {f"--quba-{name}": inputs[name] for name in SINGLE}
    return [
        *(f"--model={model}" for model in lines(inputs["model"])),
        *(f"--quba-thresholds={file}" for file in lines(inputs["thresholds"])),
        *(f"{option}={value.strip()}" for option, value in single.items() if value.strip()),
        f"--quba-record={record}",
        f"--quba-markdown={summary}",
        *lines(inputs["args"]),
    ]


def written_records(record: Path, start: float) -> list[Path]:
    """Return the records of this run: the named file, or one for each model and protocol."""
    files = [record, *sorted(record.parent.glob(f"{record.stem}-*{record.suffix}"))]
    return [file for file in files if file.is_file() and file.stat().st_mtime >= start]


def outputs_of(records: Sequence[Path], html: str) -> dict[str, str]:
    """Return the action's outputs: the worst verdict and grade, and the written files."""
    contents: list[dict[str, Any]] = [json.loads(file.read_text(encoding="utf-8")) for file in records]
    verdicts = [str(content.get("overall_verdict")) for content in contents]
    grades = [grade["letter"] for content in contents for grade in content.get("grades", ())]
    letters = [letter for letter in LETTERS if letter in grades]
    return {
        "verdict": max(set(verdicts) & set(VERDICTS), key=VERDICTS.index, default="error"),
        "grade": letters[-1] if letters else "",
        "record": "\n".join(map(str, records)),
        "html": html.strip() if html.strip() and Path(html.strip()).is_file() else "",
    }


def append(variable: str, text: str) -> None:
    """Append to a file that the runner names in an environment variable."""
    path = os.environ.get(variable)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


def set_outputs(outputs: Mapping[str, str]) -> None:
    """Set outputs of the step; no value can end its own block."""
    for name, value in outputs.items():
        end = f"end-{secrets.token_hex(8)}"
        append("GITHUB_OUTPUT", f"{name}<<{end}\n{value}\n{end}\n")


def run_gate(words: Sequence[str]) -> int:
    """Run pytest; what it prints cannot contain workflow commands. Returns its exit code."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        return subprocess.run([sys.executable, "-m", "pytest", *words], check=False).returncode
    finally:
        print(f"\n::{token}::", flush=True)


def run_command(*words: str) -> int:
    """Run a command of quba-check; return its exit code."""
    return subprocess.run([sys.executable, "-m", "quba_check", *words], check=False).returncode


def main() -> int:
    """Run the gate by the inputs in the environment."""
    names = ("model", "thresholds", "args", "record", *SINGLE, *SWITCHES)
    inputs = {name: os.environ.get(f"QUBA_INPUT_{name.upper()}", "") for name in names}
    for name in SWITCHES:
        if inputs[name] not in ("true", "false"):
            print(f"::error title=quba-check::{name}: the input is neither true nor false.")
            return 4
    if not lines(inputs["model"]):
        print("::error title=quba-check::model: the input is empty. Allowed: one model per line.")
        return 4
    record = Path(inputs["record"].strip() or "quba.json")
    summary = Path(os.environ.get("RUNNER_TEMP", ".")) / "quba-check-summary.md"
    start = time.time()
    code = run_gate(arguments(inputs, record, summary))
    # A refused run wrote none; the file can be its baseline.
    records = [] if code == USAGE_ERROR else written_records(record, start - 1)
    if records:
        run_command("report", *map(str, records), "--to", "github")
        # A model can end the process with any code; the records cannot be missing or incomplete then.
        models = [f"--model={model}" for model in lines(inputs["model"])]
        verdict = run_command("verdict", *map(str, records), *models, f"--since={int(start)}")
        code = code or verdict
    else:
        code = code or 1
        text = f"### ❌ quba-check: the gate wrote no record (exit code {code}); see the log of the job\n"
        summary.write_text(text, encoding="utf-8")
        append("GITHUB_STEP_SUMMARY", text)
    is_tolerated = inputs["blocking"] == "false" and code in NOT_RELEASED and bool(records)
    set_outputs(
        outputs_of(records, inputs["html"])
        | {"code": "0" if is_tolerated else str(code), "summary": str(summary)}
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

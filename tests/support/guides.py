"""Guides in docs/, followed to the letter: files are written, commands run, and what they print is compared.

A comment before a block says what it is: `<!-- file: NAME -->`, `<!-- run -->`, `<!-- run, exits with N -->`,
`<!-- prints -->` (some lines of the command before it), `<!-- prints, for example -->`, `<!-- not run -->`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(
    r"(?:^<!-- (?P<role>[^>]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
QUOTED = re.compile(r"'[^']*'")
SKIPPED = "…"
"""A line that stands for any lines."""


@dataclass(frozen=True)
class Step:
    """A block of a guide and its role."""

    role: str
    text: str


def steps(name: str) -> list[Step]:
    """The blocks of a guide, all of which have a role."""
    text = (DOCS / name).read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    without = [block["text"] for block in found if block["role"] is None]
    assert not without, without
    return [Step(block["role"], block["text"]) for block in found]


def follow(guide: list[Step], folder: Path, store: Path) -> None:
    """Do what a guide says, in an empty folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "QUBA_STORE": str(store),
        "COLUMNS": "100",
        "OMP_NUM_THREADS": "1",
        "PYTHONUTF8": "1",
    }
    printed = ""
    for step in guide:
        role, _, words = step.role.partition(": ")
        if role == "file":
            path = folder / words
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, encoding="utf-8")
        elif role.startswith("run"):
            result = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", step.text],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            printed = result.stdout
            expected = int(role.rpartition(" ")[2]) if "exits with" in role else 0
            assert result.returncode == expected, f"{step.text}\n{printed}"
        elif role.startswith("prints"):
            check_printed(step.text, printed, for_example=role.endswith("for example"))
        else:
            assert role == "not run", step.role


def check_printed(expected: str, printed: str, *, for_example: bool = False) -> None:
    """Hold what a guide shows against what was printed.

    Words must be the same, in order; numbers may differ as far as another processor's arithmetic takes them.
    Of an example, numbers and what stands in quotes may be anything.
    """
    lines = printed.splitlines()
    at = 0
    for block in expected.split(f"{SKIPPED}\n"):
        wanted = block.splitlines()
        places = range(at, len(lines) - len(wanted) + 1)
        found = next(
            (
                start
                for start in places
                if all(map(alike, wanted, lines[start:], [for_example] * len(wanted)))
            ),
            None,
        )
        assert found is not None, f"not printed:\n{block}\nbut:\n{printed}"
        at = found + len(wanted)


def alike(one: str, other: str, for_example: bool = False) -> bool:
    """Whether two lines say the same, as far as it can be told."""
    if _words(one, for_example) != _words(other, for_example):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=False)
    numbers = ((float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)
    return for_example or all(abs(a - b) <= 0.05 + 0.1 * max(a, b) for a, b in numbers)


def _words(line: str, for_example: bool) -> str:
    line = QUOTED.sub("''", line) if for_example else line
    return NUMBER.sub("#", " ".join(line.split()))

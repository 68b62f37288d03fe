"""Pages of docs/, followed to the letter: files are written, commands run, and their output compared.

A comment before a block gives its role: `<!-- file: NAME -->`, `<!-- run -->`, `<!-- run, exits with N -->`,
`<!-- prints -->` (some lines of the command before it), `<!-- prints, for example -->`, `<!-- not run -->`.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
POLICY = DOCS.parent / "examples" / "ci" / "policy.py"
"""The script that docs/compliance.md has its readers copy."""
BLOCK = re.compile(
    r"(?:^<!-- (?P<role>[^>]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
QUOTED = re.compile(r"'[^']*'")
REUSED = re.compile(r", [\d,]+ answers, .*reused \([^)]*\)")
SKIPPED = "…"
"""A line that matches any lines."""


@dataclass(frozen=True)
class Step:
    """A block of a page and its role."""

    role: str
    text: str


def steps(name: str, *, some: bool = False) -> list[Step]:
    """The blocks of a page with a role, which all have, or only some of them."""
    text = (DOCS / name).read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    without_role = [block["text"] for block in blocks if block["role"] is None]
    assert some or not without_role, without_role
    return [Step(block["role"], block["text"]) for block in blocks if block["role"]]


def follow(guide: list[Step], folder: Path, store: Path) -> None:
    """Carry out the steps of a page in an empty folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "QUBA_STORE": str(store),
        "COLUMNS": "100",
        "OMP_NUM_THREADS": "1",
        "PYTHONUTF8": "1",
        "PYTEST_ADDOPTS": "-p no:hypothesispytest",  # its import takes as long as some of the runs
    }
    printed = ""
    for step in guide:
        role, _, argument = step.role.partition(": ")
        if role == "file":
            path = folder / argument
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
            exit_code = int(role.rpartition(" ")[2]) if "exits with" in role else 0
            assert result.returncode == exit_code, f"{step.text}\n{printed}"
        elif role.startswith("prints"):
            check_printed(step.text, printed, for_example=role.endswith("for example"))
        else:
            assert role == "not run", step.role


def check_printed(expected: str, printed: str, *, for_example: bool = False) -> None:
    """Check the output shown on a page against what was printed.

    Words must be the same, in order; numbers may differ by what another processor's arithmetic changes.
    In an example, numbers and quoted text may be anything, and answers may be reused.
    """
    lines = printed.splitlines()
    position = 0
    for block in expected.split(f"{SKIPPED}\n"):
        block_lines = block.splitlines()
        start = next(
            (
                start
                for start in range(position, len(lines) - len(block_lines) + 1)
                if all(
                    is_same_line(one, other, for_example)
                    for one, other in zip(block_lines, lines[start:], strict=False)
                )
            ),
            None,
        )
        assert start is not None, f"not printed:\n{block}\nbut:\n{printed}"
        position = start + len(block_lines)


def is_same_line(one: str, other: str, for_example: bool = False) -> bool:
    """True if two lines have the same words and nearly the same numbers."""
    if _words(one, for_example) != _words(other, for_example):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=False)
    numbers = ((float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)
    return for_example or all(abs(a - b) <= 0.05 + 0.1 * max(a, b) for a, b in numbers)


def _words(line: str, for_example: bool) -> str:
    line = REUSED.sub("", QUOTED.sub("''", line)) if for_example else line
    return NUMBER.sub("#", " ".join(line.split()))

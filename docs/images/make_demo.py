"""Write demo.svg: the table of `pytest --model=demo`, in the terminal's colours.

Run `python docs/images/make_demo.py` after a change to the table or the demo.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COMMAND = "pytest --model=demo"
HEAD = "dimension "
GRADE = "  grade >= "
WIDTH = 100
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture in a README loads nothing from elsewhere."""


def demo_output() -> str:
    """Return the output of the demo with ANSI colours."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", *COMMAND.split(), "--color=yes", "-p", "no:cacheprovider"],
        env={**os.environ, "COLUMNS": str(WIDTH)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout


def table_lines(output: str) -> list[Text]:
    """Return the lines from the table's head to the grade, and the verdict."""
    lines = [Text.from_ansi(line) for line in output.splitlines()]
    plain = [line.plain for line in lines]
    first = next(i for i, line in enumerate(plain) if line.startswith(HEAD))
    last = next(i for i, line in enumerate(plain) if line.startswith(GRADE))
    verdict = next(i for i, line in enumerate(plain) if line.startswith("released: "))
    return [*lines[first : last + 1], lines[verdict]]


def main() -> None:
    """Write the picture next to this file."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in [Text(f"$ {COMMAND}"), Text(), *table_lines(demo_output())]:
        console.print(line, highlight=False, soft_wrap=True)
    svg = console.export_svg(title="quba-check", theme=MONOKAI, unique_id="demo")
    svg = WEB_FONT.sub("", svg).replace("Fira Code, monospace", FONTS)
    Path(__file__).with_name("demo.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()

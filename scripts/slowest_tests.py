"""List the slowest tests and files of a JUnit file: `slowest_tests.py JUNIT LIST`. It prints the first 30."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

IN_FILE = 200
PRINTED = 30


def slowest(junit: Path) -> list[str]:
    """Return lines of seconds and name: the slowest 200 tests, then the slowest 200 files."""
    tests: dict[str, float] = defaultdict(float)
    files: dict[str, float] = defaultdict(float)
    for case in ET.parse(junit).getroot().iter("testcase"):  # noqa: S314  our own file
        file = case.attrib["classname"]
        seconds = float(case.attrib["time"])
        files[file] += seconds
        tests[f"{file}::{case.attrib['name']}"] += seconds
    rows = [sorted(times.items(), key=lambda row: -row[1])[:IN_FILE] for times in (tests, files)]
    return [f"{seconds:8.1f} s  {name}" for times in rows for name, seconds in times]


if __name__ == "__main__":
    lines = slowest(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"slowest tests, of those in {sys.argv[2]}:", *lines[:PRINTED], sep="\n")

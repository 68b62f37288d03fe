"""The list of the slowest tests that the check leaves."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "slowest_tests.py"


def test_tests_and_files_are_ordered_by_their_time(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(
        '<testsuites><testsuite><testcase classname="a" name="x" time="1"/>'
        '<testcase classname="b" name="y" time="3.25"/><testcase classname="a" name="z" time="4"/>'
        "</testsuite></testsuites>",
        encoding="utf-8",
    )
    command = [sys.executable, str(SCRIPT), "junit.xml", "list.txt"]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    lines = (tmp_path / "list.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split() for line in lines] == [
        *(["4.0", "s", "a::z"], ["3.2", "s", "b::y"], ["1.0", "s", "a::x"]),
        *(["5.0", "s", "a"], ["3.2", "s", "b"]),
    ]
    assert out.splitlines()[1:] == lines

"""`python -m benchmarks [--released PATH] [--markdown FILE] [ROW…]`: rows of benchmarks/README.md and others.

Without names those of the page are measured, with PATH in about 20 minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from quba_check.models.process_setup import set_up_process

set_up_process()  # as a run does, before torch is loaded

import torch  # noqa: E402

from benchmarks import (  # noqa: E402
    attacks,
    engine,
    executors,
    gpu,
    judging,
    layout,
    machine,
    protocol,
    reader,
    released,
    start,
    storage,
)
from benchmarks.measuring import THREADS  # noqa: E402
from benchmarks.row import Row, as_markdown, as_text  # noqa: E402
from benchmarks.work import Work  # noqa: E402

ROWS: dict[str, Callable[[Work], list[Row]]] = {
    "limits": machine.rows,
    "start": start.rows,
    "digests": storage.digest_rows,
    "store": storage.store_rows,
    "reader": reader.rows,
    "engine": engine.rows,
    "layout": layout.rows,
    "pgd": attacks.rows,
    "protocol": protocol.rows,
}
"""Rows of benchmarks/README.md by name, in the order of measuring."""
ALL_ROWS: dict[str, Callable[[Work], Iterable[Row]]] = dict(
    ROWS, judging=judging.rows, executors=executors.rows, gpu=gpu.rows
)
BEGIN = "<!-- begin: python -m benchmarks -->"
END = "<!-- end: python -m benchmarks -->"


def main() -> None:
    options = parsed_options()
    torch.set_num_threads(THREADS)
    lines = machine.description()
    print(*lines, "", sep="\n", flush=True)
    begin = time.monotonic()
    results: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), options.released)
        for name in options.rows:
            for row in ALL_ROWS[name](work):
                print(as_text(row), flush=True)
                results.append(row)
    minutes = f"measured in {(time.monotonic() - begin) / 60:.1f} minutes"
    print(f"\n{minutes}")
    if options.markdown is not None:
        command = " ".join(
            ["python -m benchmarks", *(["--released PATH"] if options.released else []), *options.names]
        )
        machine_list = "\n".join(f"- {line}" for line in [*lines, f"`{command}`, {minutes}"])
        insert(options.markdown, f"{machine_list}\n\n{as_markdown(results)}")


def parsed_options() -> argparse.Namespace:
    """Return the options; end with a message if one cannot be used."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    names = f"{', '.join(ROWS)} (the default); judging; executors; gpu"
    parser.add_argument("rows", nargs="*", metavar="ROW", help=names)
    parser.add_argument(
        "--released", type=Path, metavar="PATH", help="a checkout of github.com/visinf/beyond-accuracy"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="page to insert the table into, between its marks"
    )
    options = parser.parse_args()
    options.names, options.rows = options.rows, options.rows or list(ROWS)
    unknown = [name for name in options.rows if name not in ALL_ROWS]
    if unknown:
        parser.error(f"unknown row '{unknown[0]}'. Allowed: {', '.join(ALL_ROWS)}.")
    if options.released is not None:
        options.released = options.released.absolute()
        if not (options.released / "eval.py").is_file():
            parser.error(
                f"--released: {options.released} holds no eval.py. Allowed: a checkout of the released code."
            )
        missing = released.missing_packages()
        if missing:
            parser.error(
                f"--released needs packages that are not installed: pip install --no-deps {' '.join(missing)}"
            )
    if options.markdown is not None and BEGIN not in options.markdown.read_text("utf-8"):
        parser.error(f"--markdown: {options.markdown} has no line '{BEGIN}'.")
    return options


def insert(page: Path, text: str) -> None:
    """Replace what stands between the two marks of a page."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

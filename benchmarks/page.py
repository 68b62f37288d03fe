"""CPU time and size of report pages, against reading their records: 1,000 classes, and several records."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from measuring import cpu_of
from support.sample_records import run_of_1000_classes

from quba_check.comparison.stored_run import StoredRun
from quba_check.page.render import render_page
from quba_check.records.record import Record

REPETITIONS = 5


def seconds(function: Callable[[], object]) -> list[float]:
    """Return the CPU times of a function, ascending."""
    return sorted(cpu_of(function) for _ in range(REPETITIONS))


def main() -> None:
    run = run_of_1000_classes()
    text = run.record.to_json()
    read = seconds(lambda: Record.model_validate_json(text))
    print(f"reading a record of 1,000 classes: {read[0]:.3f} to {read[-1]:.3f} s")
    later = StoredRun("later.json", run.record, run.images)
    pages: dict[str, Callable[[], str]] = {
        "one record": lambda: render_page([run]),
        "with a baseline": lambda: render_page([run], baseline=later),
        "four records": lambda: render_page([run] * 4, baseline=later),
    }
    for name, page in pages.items():
        size = len(page().encode())  # also compiles the templates
        times = seconds(page)
        ratio = times[REPETITIONS // 2] / read[REPETITIONS // 2]
        print(
            f"{name}: {times[0]:.2f} to {times[-1]:.2f} s, {ratio:.0f} times reading; {size / 1000:,.0f} kB"
        )


if __name__ == "__main__":
    main()

"""Progress of a fleet: a live table on a terminal, plain lines in a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, TextIO

from quba_check.fleet.judging import Running
from quba_check.fleet.report import counts, duration, result_line
from quba_check.fleet.result import ModelResult
from quba_check.reports.tables import fit_encoding

if TYPE_CHECKING:
    from rich.console import RenderableType


class PlainLines:
    """Prints a line at the start and at the end of each model.

    Args:
        output: the stream.
        total: number of models of the fleet.

    Attributes:
        results: the results so far.
    """

    def __init__(self, output: TextIO, total: int) -> None:
        self._output = output
        self._total = total
        self.results: list[ModelResult] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""

    def started(self, one: Running) -> None:
        """Print that a model is being judged."""
        self._print(f"{one.model.name}: started")

    def finished(self, result: ModelResult) -> None:
        """Print the result of a model."""
        self.results.append(result)
        self._print(f"[{len(self.results)}/{self._total}] {result_line(result)}")

    def watch(self, running: Sequence[Running]) -> None:
        """Print nothing while models are being judged."""

    def _print(self, line: str) -> None:
        self._output.write(fit_encoding(f"{line}\n", self._output.encoding))
        self._output.flush()


class LiveTable(PlainLines):
    """Prints results as lines, and below them a table of the running models.

    Args:
        output: a terminal.
        total: number of models of the fleet.
        at_once: largest number of models that are judged at once.
    """

    def __init__(self, output: TextIO, total: int, at_once: int) -> None:
        super().__init__(output, total)
        from rich.console import Console
        from rich.live import Live

        self._at_once = at_once
        console = Console(file=output, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Erase the table."""
        self._live.stop()

    def started(self, one: Running) -> None:
        """Show the model from the next update."""

    def watch(self, running: Sequence[Running]) -> None:
        """Draw the table."""
        self._live.update(self._table(running), refresh=True)

    def _table(self, running: Sequence[Running]) -> RenderableType:
        from rich.console import Group
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for one in running:
            table.add_row(one.model.name, duration(one.process.seconds), one.process.progress())
        return Group(table, self._summary(running))

    def _summary(self, running: Sequence[Running]) -> str:
        """Return the counts, and the time left if known."""
        done = len(self.results)
        words = [f"{done} of {self._total} models", counts(self.results)] if done else []
        words.append(f"{len(running)} running")
        left = seconds_left(
            [
                result.seconds
                for result in self.results
                if not result.is_reused and result.exit_code in (0, 1)
            ],
            [one.process.seconds for one in running],
            self._total - done - len(running),
            self._at_once,
        )
        return ", ".join([*words, *([f"about {duration(left)} left"] if left else [])])

    def _print(self, line: str) -> None:
        self._live.console.print(fit_encoding(line, self._output.encoding), soft_wrap=True)


def seconds_left(
    ended: Sequence[float], running: Sequence[float], waiting: int, at_once: int
) -> float | None:
    """Estimate the seconds that a fleet still takes; None before a model was judged.

    Args:
        ended: duration of each judged model, in seconds.
        running: seconds since the start of each running one.
        waiting: number of models that were not started.
        at_once: number of models that are judged at once.

    >>> seconds_left([100.0, 200.0], [50.0, 300.0], 3, 2)
    275.0
    """
    if not ended:
        return None
    mean = sum(ended) / len(ended)
    work = mean * waiting + sum(max(0.0, mean - seconds) for seconds in running)
    return work / at_once

"""Which clean images show an object that can be used, in which class."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice

from quba_check.errors import listed
from quba_check.suites.object_focus.objects import Cutout, LeftOut, Objects, image_name
from quba_check.suites.suite import Example, Suite

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Search:
    """Looks at clean images, class by class.

    Attributes:
        suite: whose images they are.
        objects: where their objects are.
        pool: for images of a class at the same time.
        advance: is told how many more images need no further look.
        found: objects that take part, by the name of their image, by class; two or more in each.
        left_out: names of images that take no part, sorted, by reason.
    """

    suite: Suite
    objects: Objects
    pool: Executor
    advance: Callable[[int], object]
    found: dict[str, dict[str, Cutout]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def look_through(self, label: str, examples: Sequence[Example], limit: int) -> None:
        """Take the first images of a class that show a usable object, at most `limit`."""
        waiting, looked = iter(examples), 0
        cutouts: dict[str, Cutout] = {}
        while batch := list(islice(waiting, limit - len(cutouts))):
            for example, result in zip(batch, self.pool.map(self._cutout, batch), strict=True):
                if isinstance(result, LeftOut):
                    self._leave_out(result, image_name(example))
                else:
                    cutouts[image_name(example)] = result
                looked += 1
                self.advance(1)
        self.advance(len(examples) - looked)
        if len(cutouts) == 1:
            self._leave_out(LeftOut.ALONE, *cutouts)
        elif cutouts:
            self.found[label] = cutouts

    def reasons(self) -> str:
        """How many images take no part and why, with a few names; empty if all do."""
        return "; ".join(
            f"{reason}: {len(names):,} ({listed(names, _SHOWN)})"
            for reason, names in sorted(self.left_out.items())
        )

    def _leave_out(self, reason: LeftOut, name: str) -> None:
        insort(self.left_out.setdefault(str(reason), []), name)

    def _cutout(self, example: Example) -> Cutout | LeftOut:
        located = self.objects.locate(self.suite, example)
        return located if isinstance(located, LeftOut) else Cutout.of(example, located)

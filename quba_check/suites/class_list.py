"""The classes that labels name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from quba_check.errors import SuiteError, did_you_mean, listed

SHOWN = 10
MOST_DIGITS = 9
"""Digits of a class number; Python refuses to read thousands of them."""


@dataclass(frozen=True)
class ClassList:
    """Classes in order, and how labels are matched to them.

    Attributes:
        names: by which folders, lists and label maps call them.
        titles: readable names, one a class; the names again where there are none.
    """

    names: Sequence[str]
    titles: Sequence[str]

    @classmethod
    def plain(cls, names: Sequence[str]) -> ClassList:
        """Classes without readable names."""
        return cls(tuple(names), tuple(names))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Position of each name."""
        return {name: number for number, name in enumerate(self.names)}

    @property
    def shown(self) -> str:
        """The first few names, for messages."""
        return listed(self.names, SHOWN)

    def position(self, label: str | int, where: str) -> int:
        """The class that a label means.

        Text is a name, or a position where no class has that name; a number is a position.

        Args:
            label: as it stands in the data; blanks around text are passed over.
            where: how a message begins.

        Raises:
            SuiteError: it is no class.

        >>> ClassList.plain(["cat", "dog"]).position(" dog ", "x.csv:2")
        1
        >>> ClassList.plain(["1", "0"]).position("1", "x.csv:2")
        0
        """
        if isinstance(label, int):
            if 0 <= label < len(self.names):
                return label
            last = len(self.names) - 1
            raise SuiteError(f"{where}: unknown class number {label}. Allowed: 0 to {last} ({self.shown}).")
        text = label.strip()
        if text in self.numbers:
            return self.numbers[text]
        if text.isdecimal() and len(text) <= MOST_DIGITS and int(text) < len(self.names):
            return int(text)
        raise SuiteError(f"{where}: {self.unknown('class', text)}")

    def positions_of(self, names: Sequence[str]) -> list[int | None]:
        """The classes that another list of classes means, by name.

        A readable name serves where the name itself is no class; one that several classes share means the one
        of them at the same position, with or without a number behind it: Hugging Face's ImageNet has `crane`
        and `crane2`.

        Returns:
            For each of the names its position here; None where it is no class.

        >>> classes = ClassList(["n1", "n2", "n3"], ["crane", "ox", "crane"])
        >>> classes.positions_of(["crane", "n2", "crane2", "elk"])
        [0, 1, 2, None]
        """
        titled: dict[str, list[int]] = {}
        for number, title in enumerate(self.titles):
            titled.setdefault(title, []).append(number)

        def position(number: int, name: str) -> int | None:
            if name in self.numbers:
                return self.numbers[name]
            same = titled.get(name) or titled.get(name.rstrip("0123456789"), [])
            if len(same) == 1 and self.titles[same[0]] == name:
                return same[0]
            return number if number in same else None

        return [position(number, name) for number, name in enumerate(names)]

    def unknown(self, what: str, name: str) -> str:
        """The end of a message about a name that is no class."""
        return f"unknown {what} '{name}'.{did_you_mean(name, self.names)} Allowed: {self.shown}."

"""Lists of classes; ImageNet's own, and the built-in label spaces over them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from ruamel.yaml import YAML

from quba_check.core.classes import LabelSpace
from quba_check.errors import SuiteError
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import describe

IMAGENET = "imagenet"
IMAGENET_CLASS_COUNT = 1000
IMAGENET_R = "imagenet_r"
BUILT_IN_SPACES = ("imagenet_to_16", "imagenet_to_in9", IMAGENET_R)
_CLASSES_FILE = Path(__file__).with_name("imagenet_classes.tsv")
_SPACES_FILE = Path(__file__).with_name("label_spaces.yaml")
SHOWN = 10
MOST_DIGITS = 9
"""Digits of a class number; Python refuses to parse thousands."""


def normal_form(name: str) -> str:
    """Return a name in the Unicode form NFC; file systems may store another.

    >>> len("cafe\u0301"), len(normal_form("cafe\u0301"))
    (5, 4)
    """
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class ClassList:
    """Classes in order.

    Attributes:
        names: names in folders, lists and label spaces.
        titles: readable names, one for each class; the names themselves if there are no others.
    """

    names: Sequence[str]
    titles: Sequence[str]

    @classmethod
    def plain(cls, names: Sequence[str]) -> ClassList:
        """Return a list without readable names."""
        return cls(tuple(names), tuple(names))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Position of each name, in its normal form."""
        return {normal_form(name): number for number, name in enumerate(self.names)}

    def number(self, name: str) -> int | None:
        """Return the position of a class by its name, None if there is none."""
        return self.numbers.get(normal_form(name))

    @property
    def label(self) -> str:
        """The first few names, for messages."""
        return listed(self.names, SHOWN)

    def position(self, label: object, where: str) -> int:
        """Return the position of a label's class.

        Text is a name, or a position if no class has that name. A number is a position.

        Args:
            label: as stored in the data; blanks around text are ignored.
            where: beginning of messages.

        Raises:
            SuiteError: the label is neither text nor a whole number, or there is no such class.

        >>> ClassList.plain(["cat", "dog"]).position(" dog ", "x.csv:2")
        1
        >>> ClassList.plain(["1", "0"]).position("1", "x.csv:2")
        0
        """
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise SuiteError(where=f"{where}: label", got=describe(label), allowed="a class name or number")
        if isinstance(label, int):
            if 0 <= label < len(self.names):
                return label
            last = len(self.names) - 1
            raise SuiteError(
                f"unknown class number {label}", where=where, allowed=f"0 to {last} ({self.label})"
            )
        text = label.strip()
        number = self.number(text)
        if number is not None:
            return number
        if text.isdecimal() and len(text) <= MOST_DIGITS and int(text) < len(self.names):
            return int(text)
        raise SuiteError(where=where, **self.unknown("class", text))

    def positions(self, labels: object, where: str) -> tuple[int, ...]:
        """Return the positions of the classes in text such as `cat|dog`, each once; see `position`.

        >>> ClassList.plain(["cat", "dog"]).positions("dog | cat|dog", "x.csv:2")
        (1, 0)
        """
        names = labels.split("|") if isinstance(labels, str) else [labels]
        return tuple(dict.fromkeys(self.position(name, where) for name in names))

    def positions_of(self, names: Sequence[str]) -> list[int | None]:
        """Match another list of classes by name.

        A readable name matches if the name itself is not a class. Of several classes with the same readable
        name, the one at the same position matches, also with a number at the end: Hugging Face's ImageNet has
        `crane` and `crane2`.

        Returns:
            The position of each name here; None if it is not a class.

        >>> classes = ClassList(["n1", "n2", "n3"], ["crane", "ox", "crane"])
        >>> classes.positions_of(["crane", "n2", "crane2", "elk"])
        [0, 1, 2, None]
        """
        by_title: dict[str, list[int]] = {}
        for number, title in enumerate(self.titles):
            by_title.setdefault(normal_form(title), []).append(number)

        def position(number: int, name: str) -> int | None:
            own = self.number(name)
            if own is not None:
                return own
            same = by_title.get(name) or by_title.get(name.rstrip("0123456789"), [])
            if len(same) == 1 and normal_form(self.titles[same[0]]) == name:
                return same[0]
            return number if number in same else None

        return [position(number, normal_form(name)) for number, name in enumerate(names)]

    def unknown(self, what: str, name: str) -> dict[str, str]:
        """Return the pieces of an error about an unknown name."""
        hint = did_you_mean(name, self.names)
        return {"problem": f"unknown {what} '{name}'", "allowed": self.label, "hint": hint}


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the 1,000 synsets of ILSVRC 2012 in the usual order."""
    return tuple(imagenet_list().names)


@cache
def imagenet_list() -> ClassList:
    """Return those synsets with their names in WordNet 3.0, in which commas separate synonyms.

    >>> imagenet_list().titles[:2]
    ('tench, Tinca tinca', 'goldfish, Carassius auratus')
    """
    rows = [line.split("\t") for line in _CLASSES_FILE.read_text(encoding="utf-8").splitlines()]
    return ClassList(*(tuple(column) for column in zip(*rows, strict=True)))


@cache
def built_in_space(name: str) -> LabelSpace:
    """Return a built-in label space over the 1,000 ImageNet classes.

    Args:
        name: `imagenet_to_16`: the categories of model-vs-human (Geirhos et al.), by mean probability;
            `imagenet_to_in9`: the classes of ImageNet-9 (Xiao et al.), by mapping the top-1 class;
            `imagenet_r`: the 200 classes of ImageNet-R (Hendrycks et al.), by the best of them.

    >>> built_in_space("imagenet_to_16").classes[:3]
    ('airplane', 'bear', 'bicycle')
    >>> built_in_space("imagenet_to_in9").class_of()[0]
    8
    """
    entry = YAML(typ="safe", pure=True).load(_SPACES_FILE.read_text(encoding="utf-8"))[name]
    classes: dict[str, int | str] = entry["classes"]
    if name == IMAGENET_R:
        classes = {imagenet_classes()[number]: number for number in _numbers(entry["classes"])}
    members = tuple(_numbers(str(text)) for text in classes.values())
    return LabelSpace(name, tuple(classes), members, entry["by"])


def _numbers(text: str) -> tuple[int, ...]:
    """Parse numbers and ranges, such as `385-386 444`."""
    ends = (part.partition("-") for part in text.split())
    return tuple(k for first, _, last in ends for k in range(int(first), int(last or first) + 1))

"""Words for models that read them: what classes are called, and the texts that these names are put into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PLACE = "{}"
"""Where the name of a class goes in a template."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a suite says of its classes in words. What it leaves out is up to the model's loader.

    Attributes:
        templates: texts with `{}` where a class's name goes; none where the suite gives none.
        names: class to the name that it goes by in them, for the classes that the suite names.

    >>> Prompts(("a photo of a {}.", "art of {}."), {"n01440764": "tench"}).texts("tench")
    ('a photo of a tench.', 'art of tench.')
    """

    templates: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def texts(self, name: str) -> tuple[str, ...]:
        """The templates with a name in its place."""
        return tuple(template.replace(PLACE, name) for template in self.templates)

"""Prompts for zero-shot models: class names and text templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PLACE = "{}"
"""Placeholder of the class name in a template."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """Class names and templates of a suite.

    The model's loader fills in what the suite leaves out.

    Attributes:
        templates: texts with `{}` in the place of the class name; empty if the suite has none.
        names: name of a class in these texts, for the classes that the suite names.

    >>> Prompts(("a photo of a {}.", "art of {}."), {"n01440764": "tench"}).texts("tench")
    ('a photo of a tench.', 'art of tench.')
    """

    templates: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the templates with a class name in place of `{}`."""
        return tuple(template.replace(PLACE, name) for template in self.templates)

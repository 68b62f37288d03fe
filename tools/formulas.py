"""Formulas of the docs site: blocks of the language `math` become MathML, without scripts or fonts."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert


def math_block(source: str, *_arguments: Any, **_options: Any) -> str:
    """Return the HTML of one block, as SuperFences asks for it.

    >>> math_block("x")[:26]
    '<div class="formula"><math'
    """
    return f'<div class="formula">{convert(source, display="block")}</div>'

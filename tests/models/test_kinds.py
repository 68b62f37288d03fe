"""The list of kinds: loaders that exist, and specs that belong to one kind each."""

import inspect
from pathlib import Path
from pkgutil import resolve_name

import pytest

from quba_check.models.kinds import KINDS
from quba_check.models.specs import ModelKind

DOCS = Path(__file__).parents[2] / "docs/models.md"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_loaders_take_a_spec_and_a_request(kind: ModelKind) -> None:
    load = resolve_name(f"quba_check.models.{kind.loader}")
    types = [parameter.annotation for parameter in inspect.signature(load).parameters.values()]
    assert types == ["ModelSpec", "LoadRequest"]


@pytest.mark.parametrize("field", ["name", "names", "prefixes", "suffixes", "members", "marker"])
def test_a_spec_is_of_one_kind(field: str) -> None:
    values = [getattr(kind, field) for kind in KINDS]
    texts = [text for value in values for text in ([value] if isinstance(value, str) else value) if text]
    assert len(texts) == len(set(texts))


def test_the_page_on_models_names_every_kind() -> None:
    text = DOCS.read_text(encoding="utf-8")
    affixes = [affix for kind in KINDS for affix in (*kind.names, *kind.prefixes, *kind.suffixes)]
    assert [affix for affix in affixes if affix not in text] == []

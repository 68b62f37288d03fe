"""Dimensions are found by name: the nine first, users' own after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.dimensions import Registry, registry
from quba_check.dimensions._registry import ENTRY_POINTS
from quba_check.errors import UserError
from quba_check.protocol.dimension import PUBLISHED_DIMENSIONS, Dimension
from quba_check.protocol.measurement import Measurement


def declared(name: str, module: str = "mine") -> Dimension:
    def measure(_predictions, _facts) -> Measurement:
        return Measurement(name, 1.0, "fraction", 1)

    measure.__module__ = module
    return Dimension(name, "title", "fraction", "high", 0.0, "", lambda _: (), lambda _: (), measure)


def test_the_nine_come_in_the_order_of_the_paper() -> None:
    assert registry.names[:9] == PUBLISHED_DIMENSIONS


def test_others_come_after_the_published_ones() -> None:
    own = Registry()
    for name in ("zeal", "parameters", "accuracy", "ardour"):
        own.register(declared(name))
    assert own.names == ("accuracy", "parameters", "zeal", "ardour")
    assert [dimension.name for dimension in own] == list(own.names)


def test_a_name_is_taken_once() -> None:
    own = Registry()
    own.register(declared("zeal", "theirs"))
    own.register(declared("zeal", "theirs"))  # a module that is imported anew
    with pytest.raises(UserError) as caught:
        own.register(declared("zeal", "mine"))
    assert str(caught.value) == (
        "mine: the dimension 'zeal' is already registered by theirs. Give yours another name."
    )


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        registry["acuracy"]
    assert str(caught.value).startswith(
        "unknown dimension 'acuracy'. Did you mean 'accuracy'? Allowed: accuracy, adversarial_robustness, "
    )


def test_installed_packages_offer_dimensions(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package with an entry point, and a threshold file that asks for its dimension."""
    folder = pytester.path / "site" / "calm-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: calm\nVersion: 1\n", encoding="utf-8")
    (folder / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\ncalm = calm\n", encoding="utf-8")
    (pytester.path / "site" / "calm.py").write_text(
        "from quba_check import dimension\n"
        "from quba_check.protocol.measurement import Measurement\n"
        "@dimension('calm', title='How calm', unit='fraction', better='high', source='ours')\n"
        "def measure(predictions, facts):\n"
        "    return Measurement('calm', 0.75, 'fraction', None)\n",
        encoding="utf-8",
    )
    gate = Path(pytester.path / "gate.yaml")
    gate.write_text("schema: 1\ndimensions:\n  calm: {min: 0.5}\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path / "site"))
    result = pytester.runpytest_subprocess("gate.yaml", "--model=demo")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["calm * 0.750 * >= 0.5 * PASS*"])

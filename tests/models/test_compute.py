from __future__ import annotations

import json

import pytest

from quba_check.models.compute import PLAIN, ComputeSettings


def test_settings_survive_json() -> None:
    settings = ComputeSettings("bf16", True, False, "auto", "a test", 256, 1)
    assert ComputeSettings.from_dict(json.loads(json.dumps(settings.as_dict()))) == settings


@pytest.mark.parametrize(
    "change", [{"precision": "fp8"}, {"channels_last": "yes"}, {"compiled": None}, {"candidates": 3}]
)
def test_other_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        ComputeSettings.from_dict(PLAIN.as_dict() | change)


def test_plain_settings_have_the_cache_settings_of_earlier_versions() -> None:
    assert PLAIN.cache_settings() == {"precision": "fp32"}
    changed = ComputeSettings("bf16", channels_last=True, compiled=True)
    assert changed.cache_settings() == {"precision": "bf16", "channels_last": True, "compiled": True}

"""The approvals of a baseline as texts."""

from quba_check.reports.history import history_text


def test_a_history_states_the_images_behind_an_interval_that_says_nothing() -> None:
    value = {"value": 0.5, "unit": "fraction", "n": 3, "interval": [0.02, 0.98], "better": "high"}
    approval = {"time": "2026-01-02T03:04:05", "model": "m", "by": "me", "values": {"accuracy": value}}
    text = history_text("release", [approval], "markdown", 80)
    assert "| `accuracy` | `2026-01-02` | `m` | `me` | `0.500` | `too few images (3)` |" in text

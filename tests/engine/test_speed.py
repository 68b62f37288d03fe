"""Speeds of models, kept in the store."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from quba_check.engine.speed import Speed, memory_peaks, read_speed, speed_key, write_speed
from quba_check.engine.timing import Timing

CPU = torch.device("cpu")


def test_a_speed_is_read_as_it_was_written(tmp_path: Path) -> None:
    speed = Speed({"read": Timing(100, 100, 1.0, 2.0), "fog": Timing(10, 10, 3.0, 4.0)}, 500, 7)
    write_speed(tmp_path, "key", speed)
    assert read_speed(tmp_path, "key") == speed
    assert read_speed(tmp_path, "other") is None


def test_earlier_timings_count_half_and_kinds_that_were_not_run_stay(tmp_path: Path) -> None:
    write_speed(
        tmp_path, "key", Speed({"read": Timing(100, 100, 1.0, 2.0), "fog": Timing(10, 10, 3.0, 4.0)}, 500)
    )
    write_speed(tmp_path, "key", Speed({"read": Timing(40, 40, 2.0, 3.0)}, 300))
    assert read_speed(tmp_path, "key") == Speed(
        {"read": Timing(90, 90, 2.5, 4.0), "fog": Timing(5, 5, 1.5, 2.0)}, 300
    )


@pytest.mark.parametrize("text", ["", "[]", '{"timings": {"read": [1]}}', '{"timings": 3}'])
def test_a_damaged_file_is_no_speed(tmp_path: Path, text: str) -> None:
    (tmp_path / "speeds").mkdir()
    (tmp_path / "speeds" / "key.json").write_text(text)
    assert read_speed(tmp_path, "key") is None
    write_speed(tmp_path, "key", Speed(peak_memory=3))
    assert read_speed(tmp_path, "key") == Speed(peak_memory=3)


def test_a_store_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write_speed(tmp_path / "file", "key", Speed())
    assert read_speed(tmp_path / "file", "key") is None


def test_a_speed_belongs_to_model_device_and_precision() -> None:
    keys = {
        speed_key("a", CPU, "fp32"),
        speed_key("b", CPU, "fp32"),
        speed_key("a", CPU, "bf16"),
        speed_key("a", torch.device("mps"), "fp32"),
    }
    assert len(keys) == 4
    assert speed_key("a", CPU, "fp32") in keys


def test_memory_of_this_process_grows_with_what_it_takes() -> None:
    before, on_device = memory_peaks()
    block = bytearray(300_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert memory_peaks()[0] >= before
    assert memory_peaks()[0] > 300_000_000
    assert on_device == 0

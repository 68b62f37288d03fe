"""The file of `--quba-executor-settings`."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.executors.settings import read_settings


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "workers.yaml"
    path.write_text("ray: {runtime_env: {pip: [einops]}}\nslurm: {partition: gpu, minutes: 60}\n")
    settings = read_settings(path, "workers.yaml")
    assert settings.ray.runtime_env == {"pip": ["einops"]}
    assert (settings.slurm.partition, settings.slurm.minutes) == ("gpu", 60)


def test_an_unknown_setting_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "workers.yaml"
    path.write_text("slurm:\n  partitions: gpu\n")
    with pytest.raises(OptionError) as error:
        read_settings(path, "workers.yaml")
    assert str(error.value).startswith("workers.yaml:2: slurm: unknown key 'partitions'")

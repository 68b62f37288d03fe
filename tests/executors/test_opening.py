"""The choice of an executor, and mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.executors.opening import INLINE, ExecutorChoice, open_pool, parse_executor
from quba_check.executors.settings import read_settings


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("inline", INLINE),
        ("ray", ExecutorChoice("ray")),
        ("ray:ray://head:10001", ExecutorChoice("ray", "ray://head:10001")),
        ("slurm", ExecutorChoice("slurm")),
        ("slurm:local", ExecutorChoice("slurm", "local")),
    ],
)
def test_forms(text: str, choice: ExecutorChoice) -> None:
    assert parse_executor(text) == choice


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("rai", " Did you mean 'ray'?"),
        ("slurm:remote", " Did you mean 'slurm:local'?"),
        ("ray:", " Did you mean 'ray'?"),
        ("inline:2", " Did you mean 'inline'?"),
    ],
)
def test_other_names_are_refused(text: str, near: str) -> None:
    with pytest.raises(OptionError) as error:
        parse_executor(text)
    allowed = "inline, ray, ray:ADDRESS, slurm, slurm:local"
    assert str(error.value) == f"--quba-executor: got '{text}'. Allowed: {allowed}.{near}"


def test_no_pool_is_needed_for_this_process(tmp_path: Path) -> None:
    assert open_pool(INLINE, tmp_path) is None


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

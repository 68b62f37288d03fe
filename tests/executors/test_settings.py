"""The file of `--quba-executor-settings`."""

from __future__ import annotations

from pathlib import Path

from support.errors import error_text

from quba_check.errors import OptionError
from quba_check.executors.settings import read_settings


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "workers.yaml"
    path.write_text("ray: {runtime_env: {pip: [einops]}, wait_minutes: 20}\n")
    settings = read_settings(path, "workers.yaml")
    assert settings.runtime_env == {"pip": ["einops"]}
    assert settings.wait_minutes == 20


def test_an_unknown_setting_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "workers.yaml"
    path.write_text("ray:\n  cpus: 2\n")
    assert error_text(OptionError, read_settings, path, "workers.yaml").startswith(
        "workers.yaml:2: ray: unknown key 'cpus'"
    )


def test_a_fraction_of_several_gpus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "workers.yaml"
    for allowed in (0, 0.25, 1, 2, 3.0):
        path.write_text(f"ray: {{gpus_per_worker: {allowed}}}\n")
        assert read_settings(path, "workers.yaml").gpus_per_worker == allowed
    path.write_text("ray:\n  gpus_per_worker: 1.5\n")
    assert error_text(OptionError, read_settings, path, "workers.yaml") == (
        "workers.yaml:2: ray.gpus_per_worker: got 1.5. Allowed: a number of at most 1, or a whole number."
    )

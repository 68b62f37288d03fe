"""The file of `--quba-executor-settings`: resources and environment of workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from quba_check.errors import OptionError
from quba_check.strict_yaml import Strict, read_yaml, validate
from quba_check.strict_yaml.schema import SchemaVersion


class RaySettings(Strict):
    """Settings of Ray's workers."""

    workers: int | None = Field(
        default=None, gt=0, description="Number of workers; by default one for each GPU, else for each core."
    )
    cpus_per_worker: float | None = Field(
        default=None, gt=0, description="Cores that Ray reserves for a worker."
    )
    gpus_per_worker: float | None = Field(
        default=None, ge=0, description="GPUs that Ray reserves for a worker; a fraction shares one."
    )
    wait_minutes: float = Field(
        default=5.0, gt=0, description="Minutes without any worker after which a run fails."
    )
    runtime_env: dict[str, Any] = Field(
        default_factory=dict, description="Ray's runtime_env, for custom packages and files."
    )

    @field_validator("gpus_per_worker")
    @classmethod
    def _share_or_whole(cls, value: float | None) -> float | None:
        if value is not None and value > 1 and not value.is_integer():
            raise ValueError(f"got {value:g}. Allowed: a number of at most 1, or a whole number.")
        return value


class ExecutorSettings(Strict):
    """Resources and environment of workers."""

    schema_version: SchemaVersion | None = Field(
        default=None, alias="schema", description="Version of this format."
    )
    ray: RaySettings = Field(default=RaySettings(), description="Settings of Ray's workers.")


def read_settings(path: Path, label: str) -> RaySettings:
    """Return the settings in a file.

    Args:
        path: the file.
        label: its name in messages.

    Raises:
        OptionError: the file is invalid; the message has file and line of every error.
    """
    return validate(read_yaml(path, label, OptionError), ExecutorSettings).ray

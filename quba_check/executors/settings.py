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


class SlurmSettings(Strict):
    """Settings of SLURM's workers, each a task of a job array."""

    partition: str | None = Field(default=None, description="Partition of the jobs.")
    account: str | None = Field(default=None, description="Account of the jobs.")
    qos: str | None = Field(default=None, description="Quality of service of the jobs.")
    constraint: str | None = Field(default=None, description="Features that the nodes must have.")
    minutes: int = Field(default=720, gt=0, description="Time limit of a job.")
    cpus_per_worker: int = Field(default=4, gt=0, description="Cores of a job.")
    gpus_per_worker: int = Field(default=0, ge=0, description="GPUs of a job.")
    memory_gb: float | None = Field(default=None, gt=0, description="Memory of a job.")
    setup: tuple[str, ...] = Field(default=(), description="Shell lines that a job runs first.")
    folder: str | None = Field(
        default=None, description="Folder of orders and logs that all nodes see; by default in the store."
    )
    sbatch: dict[str, Any] = Field(default_factory=dict, description="Further options of sbatch, by name.")


class ExecutorSettings(Strict):
    """Resources and environment of workers, for each executor."""

    schema_version: SchemaVersion | None = Field(
        default=None, alias="schema", description="Version of this format."
    )
    ray: RaySettings = Field(default=RaySettings(), description="Settings of Ray's workers.")
    slurm: SlurmSettings = Field(default=SlurmSettings(), description="Settings of SLURM's workers.")


def read_settings(path: Path, shown: str) -> ExecutorSettings:
    """Read a settings file.

    Args:
        path: the file.
        shown: its name in messages.

    Raises:
        OptionError: the file is invalid; the message has file and line of every error.
    """
    return validate(read_yaml(path, shown, OptionError), ExecutorSettings)

"""The file of `--quba-preprocessing`: preprocessing and kind of outputs, stated by the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quba_check.errors import ModelError
from quba_check.models.preprocessing.config import PreprocessingConfig, PreprocessingFile
from quba_check.strict_yaml import read_yaml, validate


def read_preprocessing(path: str | Path, label: str = "") -> PreprocessingConfig:
    """Read a preprocessing file.

    Args:
        path: the file.
        label: its name in messages, records and reports; by default the path.

    Raises:
        ModelError: the file is invalid; the message has file and line of every error.
    """
    label = label or str(path)
    document = read_yaml(Path(path), label, ModelError)
    entry = validate(document, PreprocessingFile)
    values = entry.model_dump(exclude_none=True, exclude={"schema_version"})
    return PreprocessingConfig(values, label, departs=True, content=document.content)


def preprocessing_schema() -> dict[str, Any]:
    """Return the JSON Schema of preprocessing files, for editors.

    >>> sorted(preprocessing_schema()["properties"])[:3]
    ['crop_mode', 'crop_pct', 'input_size']
    """
    schema = PreprocessingFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

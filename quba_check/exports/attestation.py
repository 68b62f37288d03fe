"""A record as an in-toto statement with the predicate `test-result`.

Specification: https://github.com/in-toto/attestation, `spec/v1` and `spec/predicates/test-result.md`. The
predicate has no other keys, since some verifiers refuse unknown ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from quba_check.errors import UserError
from quba_check.messages import grouped
from quba_check.records.record import Record

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
_YAML = "application/yaml"
_JSON = "application/json"


def statement(record: Record, *, file: str, digest: str, url: str | None = None) -> dict[str, Any]:
    """Return the in-toto statement of a record.

    The subject is the files of the model. The result is `PASSED` or `WARNED` only if the record allows the
    release of the model; everything else is `FAILED`, also an interrupted run, or one of selected demands.

    Args:
        record: the record.
        file: name of its file.
        digest: SHA-256 (hex) of that file.
        url: address of the run.

    Raises:
        UserError: the record has no digests of the model's files.
    """
    if not record.model.files:
        raise UserError(
            f"the record has no digests of files of the model '{record.model.spec}', which an "
            "attestation is about",
            where=file,
            allowed="a record of this version, of a checkpoint, an ONNX file, another model file or "
            "folder, or a timm model",
            hint="Save the model, and run the gate with --model=FILE.",
        )
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for row in record.verdicts:
        if row.outcome != "skipped":
            key = "passedTests" if row.outcome == "pass" else "warnedTests"
            tests["failedTests" if row.blocks else key].append(row.id)
    passed = "WARNED" if tests["warnedTests"] else "PASSED"
    own = _descriptor(file, digest, _JSON, "record", **_conditions(record))
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256}} for name, sha256 in record.model.files.items()
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": passed if record.overall_verdict == "pass" else "FAILED",
            "configuration": [*_inputs(record), *_images(record), own],
            **({"url": url} if url is not None else {}),
            **tests,
        },
    }


def checksums(statement: Mapping[str, Any]) -> str:
    """Return the subject in the format of `sha256sum`.

    Raises:
        UserError: a file name cannot be written in that format.
    """
    lines = []
    for subject in statement["subject"]:
        name = subject["name"]
        if not name.isprintable() or "\\" in name:
            raise UserError(
                f"the model file {name!a}: its name cannot stand in a list of checksums",
                hint="Rename the file, and run the gate again.",
            )
        lines.append(f"{subject['digest']['sha256']}  {name}\n")
    return "".join(lines)


def _inputs(record: Record) -> Iterator[dict[str, Any]]:
    """Yield the descriptors of input files, and of the demands of threshold files."""
    for row in record.inputs:
        media_type = _JSON if row.kind == "baseline" else _YAML
        yield _descriptor(row.path, row.sha256, media_type, row.kind)
        if row.demands is not None:
            yield _descriptor("demands", row.demands, _JSON, "demands", file=_public_path(row.path))


def _images(record: Record) -> Iterator[dict[str, Any]]:
    """Yield a descriptor of the images and labels of each measured set.

    The digest is that of the set's entries in `suite.contents` of the record, as JSON without spaces and with
    sorted keys.
    """
    sets = grouped((entry[0].partition("/")[0], entry) for entry in record.suite.images.items())
    for name, contents in sets.items():
        text = json.dumps(dict(contents), sort_keys=True, separators=(",", ":"))
        row = record.suite.sets.get(name)
        count = {} if row is None else {"images": str(row.images)}
        digest = hashlib.sha256(text.encode()).hexdigest()
        yield _descriptor(f"images/{name}", digest, _JSON, "images", **count)


def _conditions(record: Record) -> dict[str, str]:
    """Return what a run left out, and its settings that can change a verdict."""
    waivers = ((row.name, row.waiver) for row in record.verdicts if row.outcome == "waived")
    waived = [f"{name} until {waiver.until}" for name, waiver in waivers if waiver is not None]
    unmeasured = [name for name in record.measurements if name not in record.measured]
    predictions = record.predictions
    return {
        "predictions": "of unknown origin" if predictions is None else predictions.text,
        "protocol": record.protocol,
        "seed": str(record.environment.seed),
        "limit": "none" if record.limit is None else str(record.limit),
        "unselected": str(record.unselected),
        "unmeasured": ", ".join(unmeasured) or "none",
        "waived": ", ".join(waived) or "none",
    }


def _descriptor(name: str, sha256: str, media_type: str, role: str, **annotations: str) -> dict[str, Any]:
    """Return a resource descriptor."""
    return {
        "name": _public_path(name),
        "digest": {"sha256": sha256},
        "mediaType": media_type,
        "annotations": {"role": role, **annotations},
    }


def _public_path(path: str) -> str:
    """Return a path without the folders of an absolute one, since exports may be public."""
    is_absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    return PureWindowsPath(path).name if is_absolute else path

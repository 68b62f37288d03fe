"""Origin of a record: the files read, the command line, the doctor's findings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from quba_check.errors import UserError
from quba_check.gate.options import OPTIONS, SHORT_FLAG
from quba_check.messages import HIDDEN, without_credentials
from quba_check.models.specs import ModelSpec
from quba_check.records.record import FindingRow, InputRow, Record, yaml_input
from quba_check.storage.store import content_hash
from quba_check.storage.user_files import sha256

if TYPE_CHECKING:
    from quba_check.doctor.finding import Finding
    from quba_check.gate.session import GateSession
    from quba_check.gate.threshold_files import PlannedDemand

MOST_WORDS = 200
LONGEST_WORD = 1_000
_OF_PYTEST = {
    *("-k", "-m", "-n", "--numprocesses", "--dist", "-p", "-c", "--config-file", "--rootdir", "--maxfail"),
    *("--tb", "--color", "--durations", "--junitxml", "--junit-xml", "--deselect", "--ignore", "--basetemp"),
    *("--ignore-glob", "--confcutdir", "-r", "--verbosity", "--import-mode", "--lfnf"),
    "--last-failed-no-failures",
}
"""Options of pytest and xdist whose values are no secrets."""
_KNOWN = {option.flag for option in OPTIONS} | {SHORT_FLAG} | _OF_PYTEST
_SWITCHES = {option.flag for option in OPTIONS if option.metavar is None}
_GLUED = re.compile(r"-[kmnpcr][^-=][^=]*")
"""A short option with its value, such as `-n2`."""


def input_rows(gate: GateSession, demands: Iterable[PlannedDemand]) -> tuple[InputRow, ...]:
    """Return the files that the judgement of demands rests on, each once."""
    manifest = gate.suite.manifest.document
    preprocessing = gate.request.preprocessing
    baseline, digest = gate.approved.run_and_digest
    rows = [row for planned in demands for row in planned.thresholds.inputs]
    rows.append(yaml_input("manifest", manifest.label, manifest.content))
    if preprocessing is not None:
        rows.append(yaml_input("preprocessing", preprocessing.source, preprocessing.content))
    if baseline is not None:
        rows.append(InputRow(kind="baseline", path=baseline.file, sha256=digest))
    return tuple({(row.kind, row.path): row for row in rows}.values())


def inputs_hash(gate: GateSession, planned: PlannedDemand) -> str:
    """Return a hash of the model and the files behind the verdict on a demand.

    Another process of the run, which read another version of one of them, has another hash.
    """
    evaluation = gate.loaded.evaluations[planned.key]
    reference = gate.loaded.references.get(planned.protocol)
    models = [evaluation] if reference is None else [evaluation, reference]
    digests = [row.sha256 for row in input_rows(gate, [planned])]
    model_rows = [model.row for model in models]
    digests += [content_hash([row.fingerprint, row.generation]) for row in model_rows]
    return content_hash([model_rows[0].files, *digests])


def is_record_of(record: Record, spec: ModelSpec) -> bool:
    """True if a record is of this model.

    Files are compared by their digests, and other specs by their text.
    """
    if not spec.kind.is_path:
        return record.model.spec == spec.text
    others = dict(record.model.files)
    folder = spec.path
    if spec.kind.suffixes:
        digest = sha256(spec.path, spec.text, UserError)
        folder = spec.path.parent
        if digest not in others.values():
            return False
        # Such as the data of an ONNX file; files from elsewhere have only their names in the record.
        others = {
            name: known for name, known in others.items() if known != digest and (folder / name).is_file()
        }
    return bool(record.model.files) and all(
        (folder / name).is_file() and sha256(folder / name, name, UserError) == known
        for name, known in others.items()
    )


def finding_rows(findings: Iterable[Finding]) -> tuple[FindingRow, ...]:
    """Return the rows of the doctor's findings."""
    return tuple(
        FindingRow(
            severity=finding.severity,
            title=finding.problem,
            text="\n".join(
                f"{name}: {text}" for name in ("evidence", "fix") if (text := getattr(finding, name))
            ),
        )
        for finding in findings
    )


def shown_command(arguments: Sequence[str], paths: Collection[str]) -> tuple[str, ...]:
    """Return the words of a pytest command line, without what may be a secret.

    Kept are paths and the options of quba-check, and those of pytest whose values are no secrets. Values of
    other options, for example another plugin's `--api-token`, are replaced by `***`, as are user and password
    in addresses.

    Args:
        arguments: the words after `pytest`.
        paths: those among them that are neither options nor values of options.

    >>> shown_command(["--model=demo", "--token", "s3cret", "-k", "fog", "a.yaml"], ["a.yaml"])
    ('pytest', '--model=demo', '--token', '***', '-k', 'fog', 'a.yaml')
    """
    words = [_storable(word) for word in _words(arguments[:MOST_WORDS], paths)]
    cut = len(arguments) - MOST_WORDS
    return ("pytest", *words, *([f"… and {cut} more"] if cut > 0 else []))


def _words(arguments: Sequence[str], paths: Collection[str]) -> Iterator[str]:
    takes_value = False
    for word in arguments:
        if takes_value:
            yield word
            takes_value = False
        elif not word.startswith("-"):
            yield word if word in paths else HIDDEN
        else:
            name, equals, _ = word.partition("=")
            is_known = name in _KNOWN or bool(_GLUED.fullmatch(word))
            yield word if is_known or not equals else f"{name}={HIDDEN}"
            takes_value = name in _KNOWN - _SWITCHES and not equals


def _storable(word: str) -> str:
    word = without_credentials(word)
    word = word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}…"
    return word.encode(errors="backslashreplace").decode()

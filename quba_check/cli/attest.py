"""`quba-check attest`: an in-toto statement on the verdict of a stored run."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from quba_check.cli.files import check_not_read, check_waivers
from quba_check.cli.parser import OUTPUT, WEB_ADDRESS, output_option, record_argument, value_option
from quba_check.errors import OptionError
from quba_check.exports.attestation import checksums as checksums_of
from quba_check.exports.attestation import statement as statement_of
from quba_check.messages import one_line
from quba_check.records.files import write_text
from quba_check.reports.tables import json_text
from quba_check.reports.verdict_labels import waived_words
from quba_check.verdicts.stored_verdicts import read_record_and_digest


@click.command("attest", epilog="Example: quba-check attest demo.json -o statement.json")
@record_argument
@output_option(required=True)
@value_option("--predicate", "FILE", "also write the predicate alone, as actions/attest takes it", OUTPUT)
@value_option(
    "--checksums", "FILE", "also write the digests of the model's files, in the format of sha256sum", OUTPUT
)
@value_option("--url", "URL", "address of the run, to store in the statement", WEB_ADDRESS, default="")
def attest(path: Path, output: Path, predicate: Path | None, checksums: Path | None, url: str) -> None:
    """Write an in-toto statement on the verdict of a stored run.

    The subject is the model's files, the predicate test-result/v0.1. The result is FAILED unless the record
    allows the release. The exit code is 0 for a failed run too: a signed failure is worth as much.
    """
    outputs = {"--output": output, "--predicate": predicate, "--checksums": checksums}
    written = [file.absolute() for file in outputs.values() if file is not None]
    for option, file in outputs.items():
        check_not_read(file, [path], option)
        if file is not None and written.count(file.absolute()) > 1:
            raise OptionError(
                where=option, got=f"'{file}', which another option writes", allowed="a file of its own"
            )
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise OptionError(
            "the address has a user or a password, which the statement would publish",
            where="quba-check attest: --url",
            hint="Leave them out.",
        )
    record, digest = read_record_and_digest(path)
    check_waivers(record, path)
    content = statement_of(record, file=path.name, digest=digest, url=url or None)
    digests = checksums_of(content) if checksums else ""
    result = content["predicate"]
    for file, text in zip(outputs.values(), (json_text(content), json_text(result), digests), strict=True):
        if file is not None:
            write_text(text, file)
    counts = [f"{len(result[f'{word}Tests'])} {word}" for word in ("passed", "warned", "failed")]
    files = ", ".join(subject["name"] for subject in content["subject"])
    limit = "" if record.limit is None else f" on at most {record.limit:,} images of each set"
    results = ", ".join([f"{result['result']}{limit}", *counts, *waived_words(record)])
    line = f"{output}: {results}; subject: {files}"
    sys.stdout.write(f"{one_line(line)}\n")

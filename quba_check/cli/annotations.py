"""`quba-check annotations`: unmet demands at the lines of their threshold files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import INPUT, OUTPUT, check_choice, check_not_read, check_web_address
from quba_check.errors import OptionError

if TYPE_CHECKING:
    from quba_check.records.verdict import VerdictRow

FORMATS = ("github", "gitlab")
WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Environment variables with the folder of the repository."""
_PLACE = re.compile(r"^ *demanded by (.+):\d+$", re.MULTILINE)


@click.command(
    "annotations",
    short_help="print unmet demands as annotations of GitHub or GitLab",
    epilog="Example: quba-check annotations textured.json --format github",
)
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="RECORD.json...")
@click.option("--format", "form", required=True, metavar="NAME", help="github, gitlab")
@click.option("-o", "--output", type=OUTPUT, metavar="FILE", help="file to write (else standard output)")
@click.option(
    "--source-url",
    default="",
    metavar="URL",
    help="gitlab: address of the repository's files (else that of the job's commit)",
)
@click.option("--page-url", default="", metavar="URL", help="gitlab: address of the report page")
def print_annotations(
    paths: tuple[Path, ...], form: str, output: Path | None, source_url: str, page_url: str
) -> None:
    """Print unmet demands as annotations at the lines of their threshold files.

    github: workflow commands, for the log of a step. gitlab: a report of links, for
    artifacts:reports:annotations. Blocking demands come first; after nine follows one for the rest.
    """
    from quba_check.records.files import read_record, write_text
    from quba_check.reports.annotations import github_commands, gitlab_report
    from quba_check.reports.tables import fit_encoding

    check_choice(form, FORMATS, "quba-check annotations: --format")
    check_web_address(source_url, "quba-check annotations: --source-url")
    check_web_address(page_url, "quba-check annotations: --page-url")
    if output is not None:
        check_not_read(output, paths, "--output")
    records = [read_record(path) for path in paths]
    workspace = _workspace(os.environ)
    folders = list(dict.fromkeys([Path.cwd(), workspace, *(path.absolute().parent for path in paths)]))
    if form == "github":
        text = github_commands(records, lambda row: path_in(workspace, row, folders))
    else:
        source = source_url.rstrip("/") or _commit_url(os.environ)
        job = os.environ.get("CI_JOB_URL", "")
        text = gitlab_report(
            records, lambda row: path_in(workspace, row, folders), source=source, page=page_url, job=job
        )
    if output is not None:
        write_text(text, output)
    else:
        sys.stdout.write(fit_encoding(text, sys.stdout.encoding))


def path_in(workspace: Path, row: VerdictRow, folders: Iterable[Path] = ()) -> str | None:
    """Return the path of a demand's threshold file below a folder, else None.

    The record names it relative to the run's root folder, and its message relative to the folder in which
    pytest was started.

    Args:
        workspace: the folder of the repository.
        row: the verdict.
        folders: where these folders may be.
    """
    place = _PLACE.search(row.message)
    names = (*([place[1]] if place else []), row.file)
    for path in (folder / name for name in names for folder in folders or (workspace,)):
        real = Path(os.path.realpath(path))
        is_ours = "site-packages" not in real.parts and real.is_relative_to(workspace)
        if is_ours and os.path.isfile(real):  # noqa: PTH113  Path.is_file raises for names that are too long
            return real.relative_to(workspace).as_posix()
    return None


def _workspace(environment: Mapping[str, str]) -> Path:
    named = (environment.get(name) for name in WORKSPACES)
    return Path(os.path.realpath(next(filter(None, named), ".")))


def _commit_url(environment: Mapping[str, str]) -> str:
    """Return the address of the files of a GitLab job's commit."""
    project, commit = environment.get("CI_PROJECT_URL"), environment.get("CI_COMMIT_SHA")
    if not project or not commit:
        raise OptionError(
            "quba-check annotations: --format gitlab: the address of the repository is unknown outside of a "
            "GitLab job. Allowed: --source-url URL, such as https://gitlab.example/group/project/-/blob/main."
        )
    return f"{project}/-/blob/{commit}"

"""`quba-check annotations`: unmet demands at the lines of their threshold files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from quba_check.cli.files import check_not_read, write_output
from quba_check.cli.parser import WEB_ADDRESS, format_option, output_option, records_argument
from quba_check.errors import OptionError
from quba_check.records.files import read_record
from quba_check.records.verdict import VerdictRow
from quba_check.reports.annotations import github_commands, gitlab_report

WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Environment variables with the folder of the repository."""
_PLACE = re.compile(r"^ *demanded by (.+):\d+$", re.MULTILINE)


@click.command("annotations", epilog="Example: quba-check annotations textured.json --format github")
@records_argument
@format_option("github", "gitlab", required=True)
@output_option()
@click.option(
    "--source-url",
    type=WEB_ADDRESS,
    default="",
    metavar="URL",
    help="gitlab: address of the repository's files (else that of the job's commit)",
)
@click.option(
    "--page-url", type=WEB_ADDRESS, default="", metavar="URL", help="gitlab: address of the report page"
)
def print_annotations(
    paths: tuple[Path, ...], form: str, output: Path | None, source_url: str, page_url: str
) -> None:
    """Print unmet demands as annotations at the lines of their threshold files.

    github: workflow commands, for the log of a step. gitlab: a report of links, for
    artifacts:reports:annotations. Blocking demands come first; after nine follows one for the rest.
    """
    check_not_read(output, paths)
    records = [read_record(path) for path in paths]
    workspace = _workspace(os.environ)
    folders = list(dict.fromkeys([Path.cwd(), workspace, *(path.absolute().parent for path in paths)]))

    def locate(row: VerdictRow) -> str | None:
        return path_in(workspace, row, folders)

    if form == "github":
        text = github_commands(records, locate)
    else:
        source, job = source_url.rstrip("/") or _commit_url(os.environ), os.environ.get("CI_JOB_URL", "")
        text = gitlab_report(records, locate, source=source, page=page_url, job=job)
    write_output(text, output)


def path_in(workspace: Path, row: VerdictRow, folders: Iterable[Path] = ()) -> str | None:
    """Return the path of a demand's threshold file below a folder, else None.

    The record names it relative to the run's root folder, and its message relative to the folder in which
    pytest was started.

    Args:
        workspace: the folder of the repository.
        row: the verdict.
        folders: where these folders may be.
    """
    match = _PLACE.search(row.message)
    names = (*([match[1]] if match else []), row.file)
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

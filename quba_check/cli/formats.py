"""The formats of `quba-check report`: one writer for each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.cli.files import Place, check_waivers, facts_of, read_run
from quba_check.comparison.stored_run import StoredRun
from quba_check.demo import DEMO_MODELS
from quba_check.errors import OptionError, UserError
from quba_check.exports.tables import csv_table, parquet_table
from quba_check.gate.threshold_files import thresholds_at
from quba_check.grading.population import Population
from quba_check.grading.population_file import population as read_population
from quba_check.records.record import Record
from quba_check.records.verdict import VerdictRow
from quba_check.reports.ci import Locate, badge_svg, github_commands, gitlab_report
from quba_check.reports.explanation import explanation_text
from quba_check.reports.markdown import compared_run, markdown_summary
from quba_check.reports.tables import json_text
from quba_check.storage.locations import default_location, local_folder
from quba_check.study.explanation import default_population, explain
from quba_check.suites.opening import DEMO_SUITE, find_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.verdicts.stored_verdicts import read_record

if TYPE_CHECKING:
    from quba_check.page.pictures import ImageSource

COMMAND = "quba-check report"
WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Environment variables with the folder of the repository."""
Paths = Sequence[Path]
File = Path | None


@dataclass(frozen=True, slots=True)
class Format:
    """A format of `quba-check report`.

    Attributes:
        purpose: a few words for the table of formats.
        write: returns the content, given the paths of records and, as keywords, the options that it reads.
        suffix: end of its file's name; any if empty.
        needs_file: it cannot go to standard output.
        takes_one: it is of one record.
    """

    purpose: str
    write: Callable[..., str | bytes]
    suffix: str = ""
    needs_file: bool = False
    takes_one: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The options that it reads."""
        return tuple(signature(self.write).parameters)[1:]


def _page(
    paths: Paths,
    baseline: File,
    population: Population | None,
    pictures: int | None,
    data: Place,
    store: Place,
) -> str:
    from quba_check.page.pictures import PicturesByDemand, make_pictures
    from quba_check.page.render import render_page

    runs = [read_run(path, store) for path in paths]
    before = read_run(baseline, store) if baseline else None
    demand_pictures: PicturesByDemand = {}
    if pictures is not None:
        folder = local_folder(store or default_location())
        sources = [picture_source(run, data, folder) for run in runs]
        demand_pictures = make_pictures(runs, sources, pictures, baseline=before)
    return render_page(runs, baseline=before, pictures=demand_pictures, population=population)


def _summary(paths: Paths, baseline: File, page_url: str, store: Place) -> str:
    before = read_run(baseline, store) if baseline else None
    return markdown_summary([compared_run(read_run(path, store), before) for path in paths], url=page_url)


def _explanations(paths: Paths, population: Population | None, thresholds: File, store: Place) -> str:
    texts = []
    for run in (read_run(path, store) for path in paths):
        quba = thresholds_at(thresholds, facts_of(run.record)).quba if thresholds else None
        compared = population or read_population(quba.population if quba else default_population(run.record))
        is_chosen = population is not None or quba is not None
        texts.append(explanation_text(explain(run, compared, quba, is_chosen=is_chosen)))
    return "\n".join(texts)


def _github(paths: Paths) -> str:
    return github_commands([read_record(path) for path in paths], _locate(paths))


def _gitlab(paths: Paths, source_url: str, page_url: str) -> str:
    project, commit, job = map(os.environ.get, ("CI_PROJECT_URL", "CI_COMMIT_SHA", "CI_JOB_URL"))
    if not source_url and not (project and commit):
        raise OptionError(
            "the address of the repository is unknown outside of a GitLab job",
            where=f"{COMMAND}: --to gitlab",
            allowed="--source-url URL, such as https://gitlab.example/group/project/-/blob/main",
        )
    records = map(read_record, paths)
    source = source_url.rstrip("/") or f"{project}/-/blob/{commit}"
    return gitlab_report(list(records), _locate(paths), source=source, page=page_url, job=job or "")


def _locate(paths: Paths) -> Locate:
    """Return the function that finds threshold files in the repository."""
    workspace = Path(os.path.realpath(next(filter(None, map(os.environ.get, WORKSPACES)), ".")))
    folders = dict.fromkeys([Path.cwd(), workspace, *(path.absolute().parent for path in paths)])
    return partial(path_in, workspace, folders=list(folders))


def path_in(workspace: Path, row: VerdictRow, folders: Iterable[Path] = ()) -> str | None:
    """Return the path of a demand's threshold file below a folder, else None.

    The record names it relative to the run's root folder, and its message relative to the folder in which
    pytest was started.

    Args:
        workspace: the folder of the repository.
        row: the verdict.
        folders: where these folders may be.
    """
    names = filter(None, (row.explanation.path, row.file))
    for path in (folder / name for name in names for folder in folders or (workspace,)):
        real = Path(os.path.realpath(path))
        is_ours = "site-packages" not in real.parts and real.is_relative_to(workspace)
        if is_ours and os.path.isfile(real):  # noqa: PTH113  Path.is_file raises for names that are too long
            return real.relative_to(workspace).as_posix()
    return None


def _of_records(write: Callable[[Iterator[Record]], str | bytes]) -> Callable[[Paths], str | bytes]:
    return lambda paths: write(map(read_record, paths))


def _json_list(records: Iterator[Record]) -> str:
    return json_text([json.loads(record.to_json()) for record in records])


def _badge(paths: Paths) -> str:
    record = read_record(paths[0])
    check_waivers(record, paths[0])
    return badge_svg(record)


def picture_source(run: StoredRun, data: Place, store: Path) -> ImageSource | str:
    """Return the images of a run, or the reason why they are missing.

    Args:
        run: the run.
        data: the data folder or its URL; None for the folder of the run.
        store: folder of the demo's images, which are drawn if missing.

    Raises:
        UserError: the data folder is missing or holds no suite. A missing folder of a run is no error here.
    """
    from quba_check.suites.set_images import SetImages

    record = run.record
    sampler = SubsetSampler(record.limit, record.environment.seed)
    suite = DEMO_SUITE if record.model.spec in DEMO_MODELS else record.suite.root
    try:
        return SetImages(find_suite(suite if data is None else data, store, sampler))
    except UserError as why:
        if data is not None:
            raise
        return f"{why} Another folder: --data DIR."


FORMATS: Mapping[str, Format] = {
    "html": Format("one page with charts, which opens offline", _page, ".html", needs_file=True),
    "text": Format("strengths, weaknesses, costly parts, the worst class and slice, caveats", _explanations),
    "markdown": Format("a summary of at most 60 kB for pull requests and CI pages", _summary),
    "github": Format("unmet demands as annotations, for the log of a step", _github),
    "gitlab": Format("unmet demands as links, for artifacts:reports:annotations", _gitlab, ".json"),
    "badge": Format("verdict and grade as a picture", _badge, ".svg", takes_one=True),
    "csv": Format("a row per dimension, part and grade", _of_records(csv_table), ".csv"),
    "parquet": Format("the same with types", _of_records(parquet_table), ".parquet", needs_file=True),
    "json": Format("a list of the records", _of_records(_json_list), ".json"),
}
"""Each format by the name that `--to` takes; the first is the default."""

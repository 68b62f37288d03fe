"""`quba-check published reproduce`: a published model measured again."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quba_check.cli.files import PUBLISHED_MODEL, Place, write_output
from quba_check.cli.parser import COUNT, PLACE, format_option, store_option, value_option
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.errors import InvariantError, ModelError, OptionError
from quba_check.grading.published import CLASSES, SUITE, PublishedModel, published_models, suspect_sentences
from quba_check.models.parsing import parse_spec
from quba_check.models.process_setup import set_up_process
from quba_check.number_format import format_value
from quba_check.reports.cells import interval_cell
from quba_check.reports.tables import json_text, table_text, wrapped
from quba_check.storage.locations import default_location, local_folder
from quba_check.study.reproduction import ORDER, Reproduction, reproduction_notes, reproductions, scores
from quba_check.suites.opening import find_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite

if TYPE_CHECKING:
    from quba_check.core.work import Step
    from quba_check.evaluation import Evaluation
    from quba_check.models.classifier import Classifier

COMMAND = "quba-check published reproduce"


def _print_names(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    """Print the published models with a name in timm, and end."""
    if is_given:
        sys.stdout.writelines(f"{model.id}\t{model.timm}\n" for model in published_models() if model.timm)
        ctx.exit()


@click.command("reproduce", epilog="Example: quba-check published reproduce --list")
@click.argument("model", type=PUBLISHED_MODEL, metavar="ID")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_names,
    help="print the published models with a known name in timm",
)
@value_option("--data --quba-data data", "DIR", "data folder or URL (else $QUBA_DATA)", PLACE)
@value_option("--limit", "N", "read at most N images of each set", COUNT)
@value_option("--model spec", "SPEC", "model in place of timm's, such as a checkpoint file")
@value_option("--device", "NAME", "auto (default), cpu, cuda, cuda:N, mps", default="auto")
@store_option
@format_option("table", "json")
def reproduce(
    model: PublishedModel, form: str, spec: str | None, device: str, store: Place, **given: Any
) -> None:
    """Measure a published model on your images under both protocols, next to its published values.

    ID: its name in the published table or in timm, which downloads the weights. The data folder has the
    ImageNet family. All of it takes hours on a GPU: begin with --limit 5000. Predictions are stored.
    """
    if spec is None and model.timm is None:
        raise OptionError(
            f"no name in timm is known for '{model.id}'",
            where=f"{COMMAND}: ID",
            allowed=f"--model=SPEC with its weights, or a model that '{COMMAND} --list' prints",
        )
    set_up_process()
    folder = store or default_location()
    suite = _published_suite(folder, **given)
    rows = reproductions(model, _outcomes(model, spec, suite, device, folder))
    write_output((reproduction_json if form == "json" else reproduction_text)(model, rows))


def _published_suite(store: str | Path, data: Place, limit: int | None) -> Suite:
    """Return the suite of ImageNet's images; another one is refused."""
    suite = find_suite(data, local_folder(store), SubsetSampler(limit, 0))
    if suite.name != SUITE or len(suite.classes) != CLASSES:
        raise OptionError(
            f"the published values are of {SUITE} with {CLASSES:,} classes",
            where=f"{COMMAND}: --data",
            got=f"'{suite.name}' with {len(suite.classes):,}",
            allowed="a folder with the ImageNet family",
        )
    return suite


def _outcomes(
    model: PublishedModel, spec: str | None, suite: Suite, device: str, store: str | Path
) -> dict[ProtocolName, dict[str, Outcome]]:
    """Measure the model under both protocols."""
    from quba_check.evaluation import Evaluation, RunSettings
    from quba_check.models.request import LoadRequest

    text = spec or f"timm:{model.timm}"
    subject: str | Classifier = text
    outcomes: dict[ProtocolName, dict[str, Outcome]] = {}
    for protocol in ORDER:
        try:
            evaluation = Evaluation(
                subject,
                suite,
                protocol=protocol,
                request=LoadRequest(arch=_architecture(text, model), device=device),
                store=store,
                run=RunSettings(progress=partial(_report, protocol, set())),
            )
        except ModelError as error:
            if spec is not None:
                raise
            raise ModelError(f"{error} (here: --model=FILE)") from error
        subject = evaluation.classifier
        evaluation.plan(PUBLISHED_DIMENSIONS)
        evaluation.check()
        outcomes[protocol] = {
            dimension: _outcome(evaluation, dimension) for dimension in PUBLISHED_DIMENSIONS
        }
    return outcomes


def _outcome(evaluation: Evaluation, name: str) -> Outcome:
    """Return the outcome of a dimension, with the reason of a withheld value."""
    try:
        return evaluation.outcome(name)
    except InvariantError as error:
        return Unmeasurable(name, f"withheld: {error}")


def _architecture(text: str, model: PublishedModel) -> str | None:
    """Return the timm architecture of a checkpoint file; None for other specs."""
    is_file = model.timm is not None and parse_spec(text).kind.takes_architecture
    return str(model.timm).partition(".")[0] if is_file else None


def _report(protocol: ProtocolName, reported: set[str], step: Step) -> None:
    """Print the name of each set once, when its first images are predicted."""
    name = step.view.partition("/")[0]
    if name not in reported:
        reported.add(name)
        sys.stderr.write(f"{protocol}: measuring {name}\n")


WIDTH = 80
HEADINGS = ("dimension", "published", "protocol", "measured", "95 % interval", "agrees")


def reproduction_text(model: PublishedModel, rows: tuple[Reproduction, ...]) -> str:
    """Return a table with a line per dimension and protocol, and notes."""
    table = table_text(HEADINGS, _cells(rows), right=("published", "measured"))
    known = {name: "-" if score is None else f"{score:.4f}" for name, score in scores(rows).items()}
    notes = [
        "agrees: the published value lies in the interval of protocol released",
        f"QUBA score: {', '.join(f'{name} {score}' for name, score in known.items())}",
        *reproduction_notes(rows),
        *suspect_sentences(model),
    ]
    heading = f"{model.id}: {model.family}, pretraining {model.pretraining}, training {model.training}\n"
    return heading + table + wrapped(notes, WIDTH)


def _cells(rows: Sequence[Reproduction]) -> Iterator[tuple[str, ...]]:
    """Yield a row per dimension and protocol."""
    for row in rows:
        first = (row.dimension, f"{row.published:g}{'?' if row.is_suspect else ' '}")
        agreement = {True: "yes", False: "no", None: "-"}[row.agrees]
        for protocol, outcome in row.outcomes.items():
            value = "-"
            interval = ""
            if isinstance(outcome, Measurement):
                value = format_value(outcome.value, outcome.unit)
                interval = interval_cell(outcome)
            yield (*first, protocol, value, interval, agreement)
            first = ("", "")
            agreement = ""


def reproduction_json(model: PublishedModel, rows: tuple[Reproduction, ...]) -> str:
    """Return the values as JSON; numbers at full precision."""
    content = {
        "schema": 1,
        "id": model.id,
        "timm": model.timm,
        "suspect": list(model.suspect),
        "dimensions": {
            row.dimension: {
                "published": row.published,
                "suspect": row.is_suspect,
                "agrees": row.agrees,
                **{protocol: _outcome_json(outcome) for protocol, outcome in row.outcomes.items()},
            }
            for row in rows
        },
        "scores": scores(rows),
        "notes": list(reproduction_notes(rows)),
    }
    return json_text(content)


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Measurement):
        return {"value": outcome.value, "interval": outcome.interval, "n": outcome.n}
    return {"unmeasurable": outcome.reason}

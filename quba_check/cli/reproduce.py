"""`quba-check reproduce`: a published model measured again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quba_check.cli.parser import PLACE, WholeNumber, check_choice
from quba_check.cli.study_options import published_model
from quba_check.errors import ModelError, OptionError

if TYPE_CHECKING:
    from quba_check.core.measurement import Outcome
    from quba_check.core.protocols import ProtocolName
    from quba_check.evaluation import Evaluation
    from quba_check.grading.published import PublishedModel
    from quba_check.models.classifier import Classifier
    from quba_check.study.reproduction import Reproduction
    from quba_check.suites.suite import Suite

FORMATS = ("table", "json")
WIDTH = 80
COMMAND = "quba-check reproduce"


def _print_names(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    """Print the published models with a name in timm, and end."""
    from quba_check.grading.published import published_models

    if is_given:
        rows = (f"{model.id}\t{model.timm}\n" for model in published_models() if model.timm)
        sys.stdout.write("".join(rows))
        ctx.exit()


@click.command(
    "reproduce",
    short_help="measure a published model, and compare with its published values",
    epilog="Example: quba-check reproduce --list",
)
@click.argument("name", metavar="ID")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_names,
    help="print the published models with a known name in timm",
)
@click.option(
    "--data", "--quba-data", "data", type=PLACE, metavar="DIR", help="data folder or URL (else $QUBA_DATA)"
)
@click.option("--limit", type=WholeNumber(1), metavar="N", help="read at most N images of each set")
@click.option("--model", "spec", metavar="SPEC", help="model in place of timm's, such as a checkpoint file")
@click.option("--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda, cuda:N, mps")
@click.option("--store", type=PLACE, metavar="DIR", help="folder or URL of the store (else $QUBA_STORE)")
@click.option("--format", "form", default=FORMATS[0], metavar="NAME", help="table (default), json")
def reproduce(name: str, form: str, spec: str | None, **given: Any) -> None:
    """Measure a published model on your images under both protocols, next to its published values.

    ID: its name in the published table or in timm, which downloads the weights. The data folder has the
    ImageNet family. All of it takes hours on a GPU: begin with --limit 5000. Predictions are stored.
    """
    check_choice(form, FORMATS, f"{COMMAND}: --format")
    model = published_model(COMMAND, name)
    if spec is None and model.timm is None:
        raise OptionError(
            f"{COMMAND}: ID: no name in timm is known for '{model.id}'. Allowed: --model=SPEC with its "
            f"weights, or a model that '{COMMAND} --list' prints."
        )
    from quba_check.models.process_setup import set_up_process
    from quba_check.reports.tables import fit_encoding
    from quba_check.study.reproduction import reproductions

    set_up_process()
    rows = reproductions(model, _outcomes(model, spec, **given))
    text = _json(model, rows) if form == "json" else _text(model, rows)
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))


def _outcomes(
    model: PublishedModel,
    spec: str | None,
    data: str | Path | None,
    limit: int | None,
    device: str,
    store: str | Path | None,
) -> dict[ProtocolName, dict[str, Outcome]]:
    """Measure the model under both protocols."""
    from quba_check.core.dimension import PUBLISHED_DIMENSIONS
    from quba_check.evaluation import Evaluation, RunSettings
    from quba_check.models.request import LoadRequest
    from quba_check.storage.places import default_place, local_folder
    from quba_check.study.reproduction import ORDER
    from quba_check.suites.opening import find_suite
    from quba_check.suites.sampling import SubsetSampler

    text = spec or f"timm:{model.timm}"
    folder = store or default_place()
    suite = find_suite(data, local_folder(folder), SubsetSampler(limit, 0))
    _check_suite(suite)
    subject: str | Classifier = text
    outcomes: dict[ProtocolName, dict[str, Outcome]] = {}
    for protocol in ORDER:
        try:
            evaluation = Evaluation(
                subject,
                suite,
                protocol=protocol,
                request=LoadRequest(arch=_architecture(text, model), device=device),
                store=folder,
                run=RunSettings(finished=_reporter(protocol)),
            )
        except ModelError as error:
            if spec is not None:
                raise
            raise ModelError(f"{error} Here: --model=FILE.") from error
        subject = evaluation.classifier
        evaluation.plan(PUBLISHED_DIMENSIONS)
        evaluation.check()
        outcomes[protocol] = {one: _outcome(evaluation, one) for one in PUBLISHED_DIMENSIONS}
    return outcomes


def _outcome(evaluation: Evaluation, name: str) -> Outcome:
    """Return the outcome of a dimension, with the reason of a withheld value."""
    from quba_check.core.measurement import Unmeasurable
    from quba_check.errors import InvariantError

    try:
        return evaluation.outcome(name)
    except InvariantError as error:
        return Unmeasurable(name, f"withheld: {error}")


def _architecture(text: str, model: PublishedModel) -> str | None:
    """Return the timm architecture of a checkpoint file; None for other specs."""
    from quba_check.models.specs import parse_spec

    is_file = model.timm is not None and parse_spec(text).kind == "file"
    return str(model.timm).partition(".")[0] if is_file else None


def _check_suite(suite: Suite) -> None:
    from quba_check.grading.published import CLASSES, SUITE

    if suite.name != SUITE or len(suite.classes) != CLASSES:
        raise OptionError(
            f"{COMMAND}: --data: the published values are of {SUITE} with {CLASSES:,} classes, got "
            f"'{suite.name}' with {len(suite.classes):,}. "
            "Allowed: a folder with the ImageNet family."
        )


def _reporter(protocol: ProtocolName) -> Callable[[str, int], None]:
    def report(name: str, images: int) -> None:
        sys.stderr.write(f"{protocol}: {name}: {images:,} images\n")

    return report


def _text(model: PublishedModel, rows: tuple[Reproduction, ...]) -> str:
    """Return a table with a line per dimension and protocol, and notes."""
    from quba_check.core.measurement import Measurement
    from quba_check.number_format import format_value, interval_text
    from quba_check.reports.tables import table_text, wrap_line
    from quba_check.study.reproduction import reproduction_notes, scores
    from quba_check.study.suspects import suspect_sentences

    cells = []
    for row in rows:
        for place, (protocol, outcome) in enumerate(row.outcomes.items()):
            value, interval = "-", ""
            if isinstance(outcome, Measurement):
                value = format_value(outcome.value, outcome.unit)
                ends = outcome.interval
                interval = "" if ends is None else interval_text(ends, outcome.unit, None)
            published = f"{row.published:g}{'?' if row.is_suspect else ' '}"
            agreement = {True: "yes", False: "no", None: "-"}[row.agrees] if place == 0 else ""
            first = (row.dimension, published) if place == 0 else ("", "")
            cells.append((*first, protocol, value, interval, agreement))
    headings = ("dimension", "published", "protocol", "measured", "95 % interval", "agrees")
    table = table_text(headings, cells, right=("published", "measured"))
    known = {name: "-" if score is None else f"{score:.4f}" for name, score in scores(rows).items()}
    notes = [
        "agrees: the published value lies in the interval of protocol released",
        f"QUBA score: {', '.join(f'{name} {score}' for name, score in known.items())}",
        *reproduction_notes(rows),
        *suspect_sentences(model),
    ]
    lines = [line for note in notes for line in wrap_line(note, WIDTH)]
    heading = f"{model.id}: {model.family}, pretraining {model.pretraining}, training {model.training}\n"
    return heading + table + "".join(f"{line}\n" for line in lines)


def _json(model: PublishedModel, rows: tuple[Reproduction, ...]) -> str:
    """Return the values as JSON; numbers at full precision."""
    from quba_check.core.measurement import Measurement
    from quba_check.study.reproduction import reproduction_notes, scores

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
                **{
                    protocol: {"value": outcome.value, "interval": outcome.interval, "n": outcome.n}
                    if isinstance(outcome, Measurement)
                    else {"unmeasurable": outcome.reason}
                    for protocol, outcome in row.outcomes.items()
                },
            }
            for row in rows
        },
        "scores": scores(rows),
        "notes": list(reproduction_notes(rows)),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

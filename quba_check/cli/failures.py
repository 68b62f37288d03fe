"""`quba-check failures`: wrong or unknown images of a stored run, or its worst slices."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from quba_check.cli.files import check_not_read, read_run, write_output
from quba_check.cli.formats import picture_source
from quba_check.cli.parser import COUNT, INPUT, OUTPUT, PLACE, Checked, check_read, store_option, value_option
from quba_check.comparison.misclassified import Failure, failures_csv, n_selected, rejects
from quba_check.comparison.misclassified import failures as failures_of
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.facts import short_class_names, whole_class_names
from quba_check.core.view import UNKNOWN_PREFIX
from quba_check.errors import OptionError, UserError
from quba_check.gate.options import file_ending_in
from quba_check.messages import known_names, one_line
from quba_check.reports.explanation import LEAST_IMAGES, slices_text
from quba_check.reports.tables import shorten, table_text, terminal_width
from quba_check.storage.locations import default_location, local_folder
from quba_check.verdicts.stored_verdicts import read_record

LIMIT = 20
"""Images in the table and on the page without --limit."""
STDOUT = Path("-")
HEADINGS = ("index", "loss", "confidence", "label", "predicted", "path")
WIDEST = 120
LONGEST_CLASS = 14
PAGE = Checked(file_ending_in(".html"))
OF_CLEAN = ("baseline", "slice_name", "class")
OF_IMAGES = (*OF_CLEAN, "predicted", "set_name", "output", "html", "data", "limit", "store")
OF_SLICES = ("dimension", "least")
"""Parameters of the lists of clean images, of all images, and of slices."""


@click.command("failures", epilog="Example: quba-check failures textured.json --baseline demo.json")
@click.argument("record", type=INPUT, metavar="RECORD.json")
@value_option("--baseline", "RECORD.json", "list only the images that this earlier run got right", INPUT)
@value_option("--class", "NAME", "only images of a class")
@value_option("--predicted", "NAME", "only images that the model took for a class")
@value_option("--slice slice_name", "NAME", "only images of a slice, such as lighting=night")
@value_option("--set set_name", "NAME", "list the most confident images of an unknown set instead")
@value_option("--csv output", "FILE", "write all of them as CSV; - is standard output", OUTPUT)
@value_option("--html", "FILE.html", "write a page with their pictures", PAGE)
@value_option("--data", "DIR", "folder or URL of these pictures (else the run's)", PLACE)
@value_option("--limit", "N", f"images in the table or on the page (default: {LIMIT})", COUNT)
@click.option("--slices", is_flag=True, help="list the slices, each compared with all other images, instead")
@value_option("--dimension", "NAME", "of the slices (default: accuracy)", default="accuracy")
@value_option("--least", "N", f"images of a slice (default: {LEAST_IMAGES})", COUNT, default=LEAST_IMAGES)
@store_option
def failures(record: Path, **given: Any) -> None:
    """List the clean images that a stored run got wrong, the most confident first.

    With --slices, list the slices of the manifest's columns and properties instead, the worst first.
    """
    _check(record, given)
    given["set_name"] = given["set_name"] and given["set_name"].removeprefix(UNKNOWN_PREFIX)
    if given["slices"]:
        write_output(slices_text(read_record(record), given["dimension"], given["least"]))
        return
    run = read_run(record, given["store"])
    output = given["output"]
    html = given["html"]
    text, images = (_clean_images if given["set_name"] is None else _unknown_images)(run, given)
    selection = [given[name] for name in ("set_name", "slice_name", "class") if given[name]]
    selection += [f"called {given['predicted']}"] if given["predicted"] else []
    text = f"{run.record.model.name} on {run.record.suite.name}: {text}"
    text += f" ({', '.join(selection)})" if selection else ""
    listed = images[: given["limit"] or LIMIT]
    kind = "wrong" if given["set_name"] is None else "unknown"
    if html is not None:
        from quba_check.page.pictures import contact_sheet
        from quba_check.page.render import render_sheet

        source = picture_source(run, given["data"], local_folder(given["store"] or default_location()))
        if isinstance(source, str):
            raise UserError(source)
        note = f"{len(listed):,} of {len(images):,} {kind} images, the most confident first"
        sheet = contact_sheet(source, listed, note)
        write_output(render_sheet(text, sheet), html)
        sys.stderr.write(f"{html}: {sheet.note}\n")
    if output == STDOUT:
        write_output(failures_csv(images))
    elif output is not None:
        write_output(failures_csv(images), output)
        sys.stderr.write(f"{output}: {len(images):,} {kind} images\n")
    elif html is None:
        write_output(_text(run, text, listed, len(images)))
    if images and images[0].confidence is None:
        sys.stderr.write(
            f"{record}: its answers were stored by an earlier version, without confidence and loss. "
            "Run the gate again to get them.\n"
        )


def _check(record: Path, given: Mapping[str, Any]) -> None:
    """Refuse options that are not read, and files that are."""
    if given["slices"]:
        check_read(dict.fromkeys(OF_IMAGES, "without --slices"), "with --slices")
    else:
        check_read(dict.fromkeys(OF_SLICES, "with --slices"), "without --slices")
    if given["set_name"] is not None:
        check_read(dict.fromkeys(OF_CLEAN, "without --set"), "with --set, which lists unknown images")
    if given["html"] is None:
        check_read({"data": "with --html FILE.html"}, "without --html")
        if given["output"] is not None:
            check_read({"limit": "without --csv"}, "with --csv, which writes all images")
    for name, option in (("output", "--csv"), ("html", "--html")):
        check_not_read(given[name], filter(None, [record, given["baseline"]]), option)


def _clean_images(run: StoredRun, given: Mapping[str, Any]) -> tuple[str, list[Failure]]:
    """Return the selected wrong clean images, and their number in words."""
    before = read_run(given["baseline"], given["store"]) if given["baseline"] else None
    answers = run.clean_answers()
    slice_name = given["slice_name"]
    label, predicted = (_class(given[name], name, answers.classes) for name in ("class", "predicted"))
    slices = [name for column in answers.slices.values() for name in column.names]
    if slice_name is not None and slice_name not in slices:
        pieces = known_names(slice_name, slices) if slices else {"hint": "The run has none."}
        raise OptionError(f"no image is in the slice '{slice_name}'", where="--slice", **pieces)
    wrong = [image for image in failures_of(run, before) if before is None or image.is_lost]
    wrong = [image for image in wrong if image.is_of(label, predicted, slice_name)]
    verb = "is" if len(wrong) == 1 else "are"
    lost = f", and right in {before.file}" if before else ""
    n_images = n_selected(answers, label, slice_name)
    return f"{len(wrong):,} of {n_images:,} clean images {verb} wrong{lost}", wrong


def _unknown_images(run: StoredRun, given: Mapping[str, Any]) -> tuple[str, list[Failure]]:
    """Return the selected ones of the most confident unknown images, and their number in words."""
    name = given["set_name"]
    images = rejects(run.record)
    sets = [*dict.fromkeys(image.set.removeprefix(UNKNOWN_PREFIX) for image in images)]
    if name not in sets:
        none = {"hint": "The run did not measure unknown_detection."}
        pieces = known_names(name, sets) if sets else none
        raise OptionError(
            f"none of the most confident unknown images is in '{name}'", where="--set", **pieces
        )
    predicted = _class(given["predicted"], "predicted", [str(image.predicted) for image in images])
    of_set = rejects(run.record, name)
    selected = [image for image in of_set if predicted in (None, image.predicted)]
    return f"{len(selected):,} of the {len(of_set):,} most confident unknown images", selected


def _class(given: str | None, option: str, names: Sequence[str]) -> str | None:
    """Return the class with a whole or short name; None for None."""
    whole = whole_class_names(names)
    if given is not None and given not in whole:
        raise OptionError(
            f"there is no class '{given}'",
            where=f"--{option}",
            **known_names(given, dict.fromkeys(short_class_names(names))),
        )
    return whole.get(given or "")


def _text(run: StoredRun, title: str, listed: Sequence[Failure], n: int) -> str:
    """Return the title, and a table of images."""
    classes = [] if run.images is None or run.images.clean is None else run.images.clean.classes
    short = {"": "-", **dict(zip(classes, map(one_line, short_class_names(classes)), strict=True))}
    rows = [
        (
            "-" if image.index is None else str(image.index),
            *("-" if number is None else f"{number:.3f}" for number in (image.loss, image.confidence)),
            *(
                shorten(short.get(class_name, class_name), LONGEST_CLASS)
                for class_name in (image.label, str(image.predicted))
            ),
            one_line(image.path),
        )
        for image in listed
    ]
    text = f"{title}\n"
    if rows:
        text += table_text(HEADINGS, rows, HEADINGS[:3], cut=["path"], width=terminal_width(WIDEST))
    if len(listed) < n:
        text += f"shown: {len(listed):,} of {n:,}; --limit N shows more, --csv FILE writes all\n"
    return text

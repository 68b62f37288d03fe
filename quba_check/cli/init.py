"""`quba-check init`: a first manifest and threshold file for a folder of images."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click

from quba_check.cli.parser import INPUT, Checked, value_option
from quba_check.cli.schema import FILE, schema_text
from quba_check.core.protocols import BINS
from quba_check.core.view import CLEAN, CORRUPTIONS_SET, CUE_CONFLICT_SET, PASSES, UNKNOWN_PREFIX, View
from quba_check.demo.digits import SPLITS, write_digits
from quba_check.dimensions import registry
from quba_check.errors import OptionError, SuiteError
from quba_check.gate.options import one_of
from quba_check.gate.threshold_files import shown_path, thresholds_at
from quba_check.messages import listed, one_line
from quba_check.records.files import write_text
from quba_check.storage.user_files import os_errors
from quba_check.suites.detection import Layout, detect_layout
from quba_check.suites.label_spaces import imagenet_classes
from quba_check.suites.manifest.definitions import is_subset_of_imagenet
from quba_check.suites.manifest.reading import manifest_line, read_manifest, yaml_scalar
from quba_check.suites.opening import MANIFEST_NAME, data_folder, open_suite
from quba_check.suites.suite import Suite

EntryFields = dict[str, str | int | bool]
THRESHOLDS = Path("thresholds", "default.yaml")
"""Path of the threshold file of `pytest --model`, below the current folder."""
THOROUGH = THRESHOLDS.with_name("thorough.yaml")
"""Path of the threshold file with attacks, which is judged only if it is named."""
SCHEMA_FOLDER = THRESHOLDS.with_name("schemas")
"""Folder of the schemas that the written files name for editors."""
PUBLISHED_CLEAN = "imagenet/val"
_WHERE = "quba-check init"
_SIDE = 224
"""Side in pixels of the input of models that state none, if the images have no common square size."""
_OPENED = 64
"""Largest number of images opened to find the common size."""
_WIDTH = 100
_COPIES = "doctor (up to 10,000 images) and suite check look for copies of these in the sets"
_ACCURACY = 0.8
"""Accuracy to demand, and of the models behind the bound on calibration_error."""
_ECE = 0.05
"""Expected calibration error of these models on infinitely many images."""
_THOROUGH_TEXT = """\
# Written by quba-check init: default.yaml and attacks, for pytest --model=MODEL thresholds/thorough.yaml.
# All corruptions, also for demands on single ones: remove sample: one from quba-data.yaml.
schema: 1
extends: default.yaml
dimensions:
  adversarial_robustness: {min: 0.05, tier: warn}
"""
_KEPT = "kept, as it exists already"


@click.command("init", epilog="Example: quba-check init photos")
@click.argument("folder", type=INPUT, metavar="DIR")
@value_option("--name", "NAME", "name of the suite in the new files (default: that of the folder)")
@click.option("--force", is_flag=True, help="write quba-data.yaml again; demands are never overwritten")
@value_option("--example", "NAME", "first fill DIR with example images: digits", Checked(one_of("digits")))
def init(folder: Path, name: str | None, force: bool, example: str | None) -> None:
    """Write a quba-data.yaml into a folder of images, and demands into thresholds/ here.

    A file that exists is kept. Editors complete keys by thresholds/schemas. DIR: data folder, such as one
    with val/<class>/, val.csv (columns path and label), or both, and rejects/ with images of no class.
    """
    if example is not None:
        _write_example(folder)
    root = data_folder(folder)
    manifest = root / MANIFEST_NAME
    thresholds = Path.cwd() / THRESHOLDS
    keeps_manifest = manifest.exists() and not force
    keeps_thresholds = thresholds.exists()
    if keeps_manifest and keeps_thresholds:
        raise OptionError(
            f"{manifest} and {THRESHOLDS} exist already, and nothing is missing",
            where=_WHERE,
            allowed=f"--force writes {MANIFEST_NAME} again; for new demands delete {THRESHOLDS} first",
        )
    if keeps_manifest:
        suite = open_suite(root)
        sys.stdout.write(f"{shown_path(manifest, Path.cwd())}: {_KEPT}\n")
    else:
        suite = _write_manifest(root, manifest, None if keeps_thresholds else thresholds, name)
    if keeps_thresholds:
        sys.stdout.write(f"{THRESHOLDS}: {_KEPT}\n")
    else:
        _write("thresholds", _thresholds_text(suite, name or suite.name), thresholds)
        passes = _passes(suite, thresholds)
        cost = f"about {passes:,} passes of the model"
        sys.stdout.write(f"{THRESHOLDS}: demands to start from; set their numbers ({cost})\n")
        thorough = Path.cwd() / THOROUGH
        if not thorough.exists():
            _write("thresholds", _THOROUGH_TEXT, thorough)
            attacked = _passes(suite, thorough)
            cost = f"up to {attacked:,} passes, {attacked / passes:.0f} times as many"
            sys.stdout.write(f"{THOROUGH}: the same demands and attacks ({cost})\n")
    quoted = shlex.quote(str(folder))
    sys.stdout.write(
        f"Next:\n  quba-check suite describe {quoted}\n  quba-check doctor --model=MODEL --data={quoted}\n"
        f"  pytest --model=MODEL --quba-data={quoted}\n"
    )


def _write(form: str, text: str, path: Path) -> None:
    """Write the schema of a format, and a file whose first line names it."""
    schema = Path.cwd() / SCHEMA_FOLDER / FILE.format(form)
    write_text(schema_text(form), schema)
    near = Path(os.path.relpath(schema, path.parent)) if schema.drive == path.drive else schema
    write_text(f"# yaml-language-server: $schema={near.as_posix()}\n{text}", path)


def _write_example(folder: Path) -> None:
    """Write example images into a new or an empty folder.

    Raises:
        OptionError: the folder holds something, or cannot be written.
    """
    where = f"{_WHERE}: {folder}"
    allowed = "a new folder, or an empty one, that you may write to"
    with os_errors("cannot be written", OptionError, where=where, allowed=allowed):
        if folder.is_dir() and any(folder.iterdir()):
            raise OptionError("example images need a folder of their own", where=where, allowed=allowed)
        write_digits(folder)
    sys.stdout.write(f"{folder}: drawn digits, {listed(f'{n:,} in {name}' for name, n in SPLITS.items())}\n")


def _write_manifest(root: Path, manifest: Path, thresholds: Path | None, name: str | None) -> Suite:
    """Write the manifest of a folder and report it; return its suite.

    Args:
        root: the data folder.
        manifest: the file to write.
        thresholds: the threshold file that will be written too, if any.
        name: the suite's name; None for that of the folder.

    Raises:
        UserError: the folder holds no suite, needs no manifest, or cannot be written.
    """
    layout = detect_layout(root)
    if layout.clean == PUBLISHED_CLEAN and layout.classes == tuple(sorted(imagenet_classes())):
        raise OptionError(
            f"{root} has the published ImageNet layout and needs no {manifest.name}.", where=_WHERE
        )
    if layout.clean == "." and thresholds is not None and thresholds.is_relative_to(root):
        raise OptionError(
            f"{root} holds the class folders, and {THRESHOLDS} would lie among them",
            where=_WHERE,
            hint="Run it in another folder.",
        )
    suite, text = _draft_suite(root, layout, name or root.name or "images")
    _write("suite", text, manifest)
    sets = listed(name for name in suite.facts.spaces)
    sys.stdout.write(f"{shown_path(manifest, Path.cwd())}: {len(suite.classes):,} classes; {sets}\n")
    for path, reason in sorted(layout.left_out.items()):
        sys.stdout.write(f"  left out: {one_line(path)} ({one_line(reason)})\n")
    for note in suite.unread_notes():
        sys.stdout.write(f"  {note}\n")
    return suite


def _draft_suite(root: Path, layout: Layout, title: str) -> tuple[Suite, str]:
    """Return the suite of a layout and its manifest, without unreadable sets.

    These move from the sets of the layout to those left out.

    Raises:
        UserError: the clean images cannot be read, or the folder cannot be written.
    """
    draft = root / f".quba-data-{os.getpid()}.tmp"
    try:
        while True:
            write_text(_manifest_text(title, layout, None), draft)
            try:
                suite = Suite(root, read_manifest(draft, str(draft)))
            except SuiteError as error:
                reason = str(error).removeprefix(f"{draft}:").partition(": ")[2]
                raise SuiteError(
                    f"the names of the folders in {root} cannot stand in {MANIFEST_NAME}: {reason}",
                    where=_WHERE,
                    hint="Rename the folders, or write the file by hand.",
                ) from None
            for view in suite.views():
                try:
                    suite.counts([view])
                except SuiteError as error:
                    if view == CLEAN:
                        raise
                    kinds = layout.shifts, layout.validation, layout.others, layout.unknown
                    name = view.set.removeprefix(UNKNOWN_PREFIX)
                    path = next(sets for sets in kinds if name in sets).pop(name)
                    layout.left_out[path] = str(error).removeprefix(f"{root}{os.sep}").rstrip(".")
                    break
            else:
                return suite, _manifest_text(title, layout, suite)
    finally:
        draft.unlink(missing_ok=True)


def _manifest_text(title: str, layout: Layout, suite: Suite | None) -> str:
    """Return the manifest of a layout, with counts if its suite is known."""
    lines = [
        "# Written by quba-check init. docs/data.md describes the keys; quba-check schema suite lists them.",
        "schema: 1",
        f"name: {yaml_scalar(title)}",
        *_classes_lines(layout),
        *([] if suite is None else [_size_line(suite)]),
        *([f"training: {yaml_scalar(layout.training)}  # {_COPIES}"] if layout.training else []),
        "sets:",
        *_set_lines(layout, layout.clean, CLEAN.set, suite, "  "),
    ]
    others = dict(sorted(layout.others.items(), key=lambda item: item[0] == CUE_CONFLICT_SET))
    path = others.pop(CORRUPTIONS_SET, None)
    if path:
        stored: EntryFields = {"reader": "folder", "path": path, "prepared": True}
        lines.append(f"  {manifest_line(CORRUPTIONS_SET, stored)}")
    else:
        why = "one of 75 for each image; all 75 without sample: one"
        lines.append(f"  corruptions: {{generate: from clean, sample: one}}  # {why}")
    other = "  other:  # no dimension counts these; thresholds may be chosen on them"
    named = (["  shifts:"], layout.shifts, "    "), ([other], layout.validation, "    ")
    for headings, sets, indent in (*named, ([], others, "  ")):
        lines += headings if sets else []
        for name, path in sets.items():
            lines += _set_lines(layout, path, name, suite, indent)
    if layout.unknown:
        lines.append(f"  {manifest_line('unknown', layout.unknown)}  # images of no class")
    return "\n".join([*lines, ""])


def _set_lines(layout: Layout, path: str, name: str, suite: Suite | None, indent: str) -> list[str]:
    """Return the lines of a set, with comments on its CSV file.

    Without a suite, the set of a folder is stated as partial: its classes are not known yet.
    """
    comments = layout.lists[path].comments if path in layout.lists else []
    reader = "cue-conflict" if name == CUE_CONFLICT_SET else "csv" if path in layout.lists else "folder"
    entry: EntryFields = {"reader": reader, "path": path}
    examples = () if suite is None else suite.examples(View(name))
    if examples:
        entry["expected"] = len(examples)
    if reader == "folder" and len({example.label for example in examples}) < len(layout.classes):
        entry["partial"] = True
    if not comments:
        return [f"{indent}{manifest_line(name, entry)}"]
    keys = (f"{key}: {yaml_scalar(value)}" for key, value in entry.items())
    return [f"{indent}{name}:", *(f"{indent}  {line}" for line in (*keys, *comments))]


def _classes_lines(layout: Layout) -> list[str]:
    if layout.classes == tuple(sorted(imagenet_classes())):
        return ["classes: imagenet"]
    comment = "# In the order of the model's outputs; here sorted, as by torchvision's ImageFolder."
    restrict: list[str] = []
    if is_subset_of_imagenet(layout.classes):
        comment = f"# {len(layout.classes)} of ImageNet's 1,000 classes."
        if set(layout.classes) <= set(imagenet_classes()):
            restrict = [
                "restrict: true  # models of all 1,000 classes answer in these alone. Other ways:",
                "# - all stay possible answers: classes: imagenet, no restrict, partial: true in each set;",
                "# - models of just these classes, in this order: no restrict.",
            ]
        else:
            restrict = ["# restrict: true  # for models of all 1,000 classes: they answer in these alone"]
    return [comment, f"classes: {_flow([yaml_scalar(name) for name in layout.classes])}", *restrict]


def _flow(items: Sequence[str]) -> str:
    """Return a YAML list, wrapped at 100 columns between items."""
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > _WIDTH - len("classes: [, "):
            lines.append("")
        lines[-1] += f"{item}, "
    inside = "\n  ".join(line.rstrip() for line in lines).rstrip(",")
    return f"[{inside}]"


def _size_line(suite: Suite) -> str:
    """Return the manifest line of the default input size."""
    examples = suite.examples(CLEAN)
    sizes = set()
    for example in examples[:: math.ceil(len(examples) / _OPENED)]:
        # The doctor names images that do not decode.
        with suppress(OSError, SyntaxError, ValueError), suite.open_image(example) as image:
            sizes.add(image.size)
    (width, height), *others = sorted(sizes) or [(0, 1)]
    is_common = width == height and not others
    note = "that of the images" if is_common else "the images have no common square size"
    size = width if is_common else _SIDE
    return f"image_size: {size}  # for models that state no input size; {note}"


def _calibration_bound(suite: Suite) -> str:
    """Return the bound on calibration_error that a model with an ECE of 0.05 meets.

    The noise of a calibrated model in B bins of n images is at most √(2B / πn) times the standard deviation
    of a hit, by Jensen's inequality.
    """
    n = len(suite.examples(CLEAN))
    classes = len(suite.classes)
    noise = math.sqrt(2 * min(BINS, n) / (math.pi * n))
    ece = _ECE + noise * math.sqrt(_ACCURACY * (1 - _ACCURACY))
    ace = 2 * _ECE / classes + noise * math.sqrt((1 - 1 / classes) / classes)
    return f"{{max: {math.sqrt(ece * ace):.2g}}}  # for {n:,} images of {classes:,} classes"


def _passes(suite: Suite, path: Path) -> int:
    """Return the forward and backward passes of single images behind the demands of a file.

    PGD counts as if it took all its steps on each image.
    """
    demands = thresholds_at(path, suite.facts).demands
    views = chain.from_iterable(registry[demand.dimension].views(suite.facts) for demand in demands)
    distinct = {replace(view, columns="top1", space=None) for view in views}
    return sum(suite.counts([view])[view.set].images * sum(PASSES[view.attack]) for view in distinct)


def _thresholds_text(suite: Suite, title: str) -> str:
    """Return a threshold file with demands on all dimensions measurable on the suite, without attacks."""
    per_class = Counter(example.label for example in suite.examples(CLEAN))
    has_two_of_each = min(per_class[label] for label in range(len(suite.classes))) > 1
    sets = suite.facts.spaces
    demands = {
        "accuracy": f"{{min: {_ACCURACY}}}",
        "corruption_robustness": "{min: 0.6}",
        "ood_robustness": "{min: 0.6}" if suite.facts.shifts else "",
        "calibration_error": _calibration_bound(suite),
        "class_balance": "{min: 0.6}" if has_two_of_each else "",
        "object_focus": "{min: 0.8}" if {"mixed_same", "mixed_rand"} <= set(sets) else "",
        "shape_bias": "{min: 0.2, tier: warn}" if "cue_conflict" in sets else "",
    }
    if suite.facts.unknown:
        demands["unknown_detection"] = "{min: 0.8}"
    lines = [f"  {name}: {bound}" for name, bound in demands.items() if bound]
    lines.append("  # parameters: {max: 30}  # in millions")
    absent = [name for name, bound in demands.items() if not bound]
    if absent:
        lines.append(f"# Left out because the suite's images do not allow a value: {listed(absent)}.")
    entries = "\n".join(lines)
    return f"""\
# Written by quba-check init: demands to start from. A first run shows what a model reaches;
# set the numbers to what its use needs. Demands of tier: warn are reported, but do not block.
# quba-check schema thresholds lists all keys. thorough.yaml adds attacks.
schema: 1
name: {yaml_scalar(f"release gate of {title}")}
dimensions:
{entries}
# Half of the images of every class; a high accuracy can hide a class that is never right:
# classes: {{each: {{recall: {{min: 0.5}}}}}}
"""

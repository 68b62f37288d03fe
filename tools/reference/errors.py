"""The page of errors: message templates from the source, by the module that raises them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from quba_check import errors
from tools.reference.markdown import code, page, table

PACKAGE = Path(errors.__file__).parent
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.QubaError)
}
"""The exception classes of quba-check, the base first."""

ADVICE: Mapping[str, str] = {
    "QubaError": "Base of all. Catch it in Python.",
    "UserError": "Change what the message names. pytest and `quba-check` end with exit code 4.",
    "OptionError": "Correct the option or ini value.",
    "ThresholdError": "Correct the threshold file at the line that the message names.",
    "SuiteError": "Correct the manifest or the file that the message names, or name another data folder.",
    "FewObjectsError": "Draw masks, or pass `--allow-few`.",
    "ModelError": "Correct the model spec, name its architecture, or fix the checkpoint or the model's code.",
    "HeadError": "Name a model of the suite's classes, or restrict the suite to some of the model's.",
    "DimensionError": "Correct the custom dimension in the file that the message names.",
    "PopulationError": "Name another population, or make one with `quba-check population`.",
    "StoreError": "Name a folder that can be written with `--quba-store`.",
    "UnmeasurableError": "Add the images that the reason names, or mark the demand as `optional`.",
    "InvariantError": "A bug, or a model that changes between passes. Report it; no value is given out.",
}
"""Advice for each class."""

AREAS: Mapping[str, tuple[str, str]] = {
    "gate": (
        "Options of a gate run",
        "Correct the option on the command line or its twin in `pytest.ini`: [options](../options.md).",
    ),
    "core": ("Python API", "Correct the argument: [Python](../python.md)."),
    "executors": (
        "Executors",
        "Correct the option, or make machines alike: [Ray](../executors.md).",
    ),
    "cli": (
        "Commands",
        "Correct the command line: [commands](../options.md#which-commands-does-quba-check-have).",
    ),
    "fleet": ("Fleets", "Correct the list of models or the option: [fleets](../fleets.md)."),
    "strict_yaml": (
        "YAML files",
        "Correct the threshold file, manifest or preprocessing file at the line that the message names.",
    ),
    "demands": (
        "Threshold files",
        "Correct the file at the line that the message names: [keys](thresholds.md).",
    ),
    "suites": (
        "Data folders and manifests",
        "Correct the manifest or the file that the message names: [keys](manifest.md), [how to](../data.md).",
    ),
    "models": (
        "Models",
        "Correct the [model spec](../models.md) or the checkpoint. Refusals: [security](../security.md).",
    ),
    "engine": ("Predicting", "The model or an image fails in a pass; the message names it."),
    "evaluation": ("Python API", "Correct the arguments of `Evaluation`: [Python](../python.md)."),
    "dimensions": (
        "Dimensions",
        "Add the missing images, or correct the [custom dimension](../own-dimension.md) that is named.",
    ),
    "grading": ("Score and populations", "Choose or make another population: [score](../score.md)."),
    "comparison": ("Comparing runs", "Compare runs on the same images: [comparing](../comparing.md)."),
    "tuning": ("Tuning", "See [tuning](../tuning.md)."),
    "study": ("Ranks and recommendations", "Correct the names, weights or limits that the message lists."),
    "records": ("Records", "Name a record that a gate run wrote, or run the gate again: [keys](record.md)."),
    "page": ("Report page", "Correct the option or the file that the message names."),
    "reports": ("Reports", "Correct the file that the message names."),
    "exports": ("Exports", "Correct the option or the file that the message names."),
    "testing": ("Property tests", "Correct the arguments: [property tests](../property-tests.md)."),
    "storage": ("Files and the store", "Correct the path or the rights of the file or folder."),
    "demo": ("Demo", "Name a folder that can be written with `--quba-store`."),
}
"""Heading and advice by folder or module of the package, in the order of the page."""

RAISED_FOR_CALLERS = ("error", "_error", "error_at")
"""Functions and arguments that stand for a class of errors chosen elsewhere."""
FEWEST_WORDS = 3
"""Least number of fixed words of a message; the rest are written elsewhere."""
MARK = "\0"
"""Surrounds a placeholder until the whole text is known."""
SUGGESTIONS = ("did_you_mean", "near", "suggestion")
NAMES = {"at": "FILE:LINE", "at_key": "FILE:LINE", "shown": "FILE", "line_of": "LINE"}
"""Placeholders of some names in the source."""
TRANSPARENT = ("listed", "join", "str", "one_line", "removesuffix", "strip", "lower")
"""Functions whose first argument is shown in their place."""


@dataclass(frozen=True)
class Message:
    """A message in the source: folder or module, and text with placeholders."""

    area: str
    text: str


def errors_page() -> str:
    """Return the page."""
    by_area: dict[str, list[Message]] = {area: [] for area in AREAS}
    for message in dict.fromkeys(_messages()):
        by_area[message.area].append(message)
    introduction = (
        "Search this page for a few words of a message. Words in capitals stand for names and numbers. Most "
        "messages end with what is allowed."
    )
    return page(
        "Errors by message",
        introduction,
        "## Which errors are there?",
        table(
            ("class", "meaning", "what to do"),
            [(code(name), _meaning(kind), ADVICE[name]) for name, kind in CLASSES.items()],
        ),
        "Any other exception is a bug of quba-check: one line, exit code 3, and a file with the traceback.",
        *(_section(*AREAS[area], messages) for area, messages in by_area.items() if messages),
    )


def _section(heading: str, advice: str, messages: list[Message]) -> str:
    lines = [f"- {code(message.text)}" for message in sorted(messages, key=_sort_key)]
    return f"## {heading}\n\n{advice}\n\n" + "\n".join(lines)


def _sort_key(message: Message) -> str:
    return re.sub(r"^\W*", "", message.text).lower()


def _meaning(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _messages() -> Iterator[Message]:
    """Yield the messages of all modules."""
    for path in sorted(PACKAGE.rglob("*.py")):
        area = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call) and node.args:
                text = _message(node, path)
                if len(re.findall(r"\b[a-z]{2,}\b", text)) >= FEWEST_WORDS:
                    yield Message(area, text)


def _message(call: ast.Call, path: Path) -> str:
    """Return the text of a call that makes an error; empty for other calls."""
    name = _name(call.func)
    if name in CLASSES or name in RAISED_FOR_CALLERS:
        return _plain_text(_template(call.args[-1] if name == "error_at" else call.args[0], path))
    if name == "ValueError":  # a validator of a schema: the reader adds file, line and key
        text = _plain_text(_template(call.args[0], path))
        return f"FILE:LINE: KEY: {text}" if text.startswith("got ") else ""
    return ""


def _plain_text(text: str) -> str:
    """Return a template without marks; placeholders that follow each other are separated."""
    separated = re.sub(rf"{MARK}{MARK}|(?<=\w){MARK}(?=\w)|(?<=[A-Z]){MARK}(?=[A-Z])", " ", text)
    return " ".join(separated.replace(MARK, "").split())


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _template(node: ast.expr, path: Path) -> str:
    """Return the text of an expression, with placeholders in capitals."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _template(part.value, path) if isinstance(part, ast.FormattedValue) else _template(part, path)
            for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left, path) + _template(node.right, path)
    if isinstance(node, ast.Name):
        constant = _constant(node.id, path)
        return constant if constant is not None else _placeholder(node.id)
    if isinstance(node, ast.IfExp):
        return _template(node.body, path)
    if isinstance(node, ast.Call):
        return _call(node, path)
    return _placeholder(_name(node))


def _call(node: ast.Call, path: Path) -> str:
    name = _name(node.func)
    return _template(node.args[0], path) if name in TRANSPARENT and node.args else _placeholder(name)


def _constant(name: str, path: Path) -> str | None:
    """Return the text of a constant of a module or of the module it is imported from."""
    for node in _tree(path).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in map(_name, targets) and isinstance(node.value, ast.Constant | ast.JoinedStr):
                return _template(node.value, path)
        if isinstance(node, ast.ImportFrom) and name in (alias.name for alias in node.names):
            source = PACKAGE.parent.joinpath(*(node.module or "").split("."))
            for candidate in (source.with_suffix(".py"), source / "__init__.py"):
                if candidate.is_file():
                    return _constant(name, candidate)
    return None


def _name(node: ast.expr) -> str:
    """Return the last name of an expression, such as `flag` of `option.flag`."""
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Call):
        return _name(node.func)
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "…")


def _placeholder(name: str) -> str:
    if name in SUGGESTIONS:
        return " Did you mean …?"
    words = NAMES.get(name) or name.strip("_").replace("_", " ").upper()
    return f"{MARK}{words}{MARK}"

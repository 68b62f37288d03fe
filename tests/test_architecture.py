"""Imports go downwards only, and what must stay light loads no torch."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import quba_check
from quba_check.executors import choice
from quba_check.models import kinds

PACKAGE = Path(quba_check.__file__).parent
GROUND = {"errors", "number_format", "storage", "core", "strict_yaml"}
VALUES = {*GROUND, "stats", "records"}
JUDGING = {*VALUES, "metrics", "dimensions", "demands", "grading", "comparison", "verdicts"}
SHOWING = {"reports", "study", "page", "exports"}
PREDICTING = {*VALUES, "demo", "suites", "models", "engine", "executors"}
MAY_IMPORT: dict[str, set[str]] = {
    "messages": set(),
    "errors": {"messages"},
    "number_format": set(),
    "stats": set(),
    "storage": {"errors", "number_format"},
    "metrics": {"stats"},
    "core": {"errors", "number_format"},
    "strict_yaml": {"errors", "storage"},
    "records": {"core", "errors", "storage", "strict_yaml"},
    "dimensions": {"errors", "number_format", "core", "stats", "metrics"},
    "demands": {*VALUES, "dimensions"},
    "grading": {*VALUES, "dimensions"},
    "comparison": {*VALUES, "metrics"},
    "verdicts": {*VALUES, "comparison", "demands", "dimensions", "grading"},
    "demo": {"errors", "storage"},
    "suites": {*GROUND, "demo"},
    "models": {*GROUND, "demo"},
    "engine": {*GROUND, "suites", "models"},
    "executors": {*GROUND, "suites", "models", "engine"},
    "measured_model": {*VALUES, "suites", "dimensions", "grading"},
    "predictor": {*PREDICTING, "measured_model"},
    "evaluation": {*PREDICTING, "dimensions", "predictor"},
    "doctor": {*PREDICTING, "dimensions", "evaluation", "measured_model"},
    "testing": {"errors", "core", "stats", "suites", "evaluation"},
    "gate": {*PREDICTING, *JUDGING, "doctor", "evaluation", "measured_model"},
    "tuning": JUDGING,
    "study": JUDGING,
    "reports": {*JUDGING, "gate", "study", "tuning"},
    "page": {*JUDGING, "reports", "study"},
    "exports": {*VALUES, "reports"},
    "pytest_plugin": {*PREDICTING, *JUDGING, "doctor", "evaluation", "gate", *SHOWING},
    "cli": {*PREDICTING, *JUDGING, "doctor", "evaluation", "gate", *SHOWING, "pytest_plugin", "tuning"},
    "__main__": {"cli"},
}
"""For each folder or module, what it may import: only what stands above it."""
LOADED_LATE = {
    kinds.__file__: [f"quba_check.models.{kind.loader.partition(':')[0]}" for kind in kinds.KINDS],
    choice.__file__: [
        f"quba_check.executors.{executor.pool.partition(':')[0]}" for executor in choice.EXECUTORS
    ],
}
"""Modules that the list of a file names, and that are imported when a model or its workers are loaded."""
OPEN_TO_ALL = {"errors", "number_format", "messages"}
EXTRA_IMPORT = re.compile(
    r"^(?:import|from) (ai_edge_litert|datasets|keras|obstore|onnx|onnxruntime|open_clip|openvino|pyarrow|ray"
    r"|transformers)\b",
    re.MULTILINE,
)
"""The import of a package that an extra of quba-check installs, at the start of a module."""
MOST_STATEMENTS = 300
MOST_LINES = 60
"""Lines of the longest function."""
LONG = 40
MOST_LONG_FUNCTIONS = 10
MOST_PARAMETERS = 9
MANY_PARAMETERS = 6
MOST_FUNCTIONS_OF_MANY_PARAMETERS = 15
"""Most are commands and readers, whose parameters are options and keys of users."""
MOST_PACKED = {"quba_check": 60, "tests": 40}
"""Assignments of several values to several names, such as the two ends of an interval."""
MOST_WALRUSES = 80
MOST_MODULES = 15
NAMES_OF_NOTHING = {"one", "thing", "tmp", "foo", "helper"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "quba_check":
                names = (alias.name for alias in node.names if alias.name != "__version__")
                yield from (f"quba_check.{name}" for name in names)
            else:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[Path, Function]]:
    for _, path in modules():
        for node in nodes(path):
            if isinstance(node, Function):
                yield path, node


def code_lines(path: Path, function: Function) -> int:
    """Return the number of lines with code of a function, without its docstring."""
    text = path.read_text(encoding="utf-8").splitlines()
    body = function.body[1:] if ast.get_docstring(function) else function.body
    header = range(function.lineno, function.body[0].lineno)
    lines = [*header, *range(body[0].lineno, (function.end_lineno or 0) + 1)] if body else header
    return sum(bool(text[number - 1].split("#")[0].strip()) for number in lines)


def parameters(function: Function) -> list[ast.arg]:
    arguments = function.args
    return [
        argument
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        if argument.arg not in ("self", "cls")
    ]


def is_type_name(target: ast.expr) -> bool:
    """Return whether a name at the start of a module is written as types are: `Mask`, not `MASKS`."""
    return isinstance(target, ast.Name) and target.id[:1].isupper() and not target.id.isupper()


def is_packed(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
    )


def forbidden_imports(name: str, path: Path) -> set[str]:
    """Return the imports of a module that do not go downwards, or are pytest outside of its plugin."""
    folder = name.partition(".")[0]
    if folder == "__init__":
        return set()
    every = set(imported(path))
    ours = {module.split(".")[1] for module in every if module.startswith("quba_check.")}
    forbidden = ours - MAY_IMPORT[folder] - {folder, "messages"}
    return forbidden | (every & {"pytest"} if folder != "pytest_plugin" else set())


def test_imports_go_downwards() -> None:
    assert {name: found for name, path in modules() if (found := forbidden_imports(name, path))} == {}


def test_test_modules_are_skipped_without_their_extras() -> None:
    folder = Path(__file__).parent
    texts = {path.relative_to(folder): path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    unguarded = {
        f"{path}: {match[1]}"
        for path, text in texts.items()
        for match in EXTRA_IMPORT.finditer(text)
        if f'pytest.importorskip("{match[1]}")' not in text[: match.start()]
    }
    assert unguarded == set()


def test_the_order_is_downwards() -> None:
    rows = list(MAY_IMPORT)
    for place, (name, allowed) in enumerate(MAY_IMPORT.items()):
        assert allowed <= set(rows[:place]), name


def test_no_module_imports_itself_through_others() -> None:
    paths = {f"quba_check.{name}": path for name, path in modules() if not name.endswith("__init__")}
    TopologicalSorter({name: paths.keys() & {*imported(path)} for name, path in paths.items()}).prepare()


def imports_inside(folder: Path) -> dict[str, set[str]]:
    """Return the imports between the parts of a folder: its modules, and its folders as one part each."""
    prefix = (PACKAGE.name, *folder.relative_to(PACKAGE).parts)
    parts: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        part = path.relative_to(folder).with_suffix("").parts[0]
        names = [tuple(module.split(".")) for module in (*imported(path), *LOADED_LATE.get(f"{path}", ()))]
        others = {name[len(prefix)] for name in names if name[: len(prefix)] == prefix != name}
        parts[part] = parts.get(part, set()) | (others - {part})
    return parts


@pytest.mark.parametrize("folder", sorted({path.parent for _, path in modules()}), ids=lambda path: path.name)
def test_imports_inside_each_folder_go_one_way(folder: Path) -> None:
    TopologicalSorter(imports_inside(folder)).prepare()


def test_the_picture_has_the_arrows_of_the_imports() -> None:
    text = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawn = {
        (start, end)
        for starts, ends in re.findall(r"^  (.*) --> (.*)$", text, re.MULTILINE)
        for start in starts.split(" & ")
        for end in ends.split(" & ")
    }
    direct: dict[str, set[str]] = {name: set() for name in MAY_IMPORT if name not in OPEN_TO_ALL}
    for name, path in modules():
        folder = name.partition(".")[0]
        if folder in direct and folder != "__main__":
            ours = {module.split(".")[1] for module in imported(path) if module.startswith("quba_check.")}
            direct[folder] |= ours - OPEN_TO_ALL - {folder}
    reached: dict[str, set[str]] = {}
    for name in direct:  # from below, see `test_the_order_is_downwards`
        reached[name] = direct[name].union(*(reached[other] for other in direct[name]))
    assert drawn == {
        (name, other)
        for name, others in direct.items()
        for other in others
        if not any(other in reached[between] for between in others)
    }


def test_the_table_names_every_folder_and_module() -> None:
    text = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = {
        name
        for row in text.splitlines()
        if row.startswith("| `")
        for name in re.findall("`([^`]+)`", row.split("|")[1])
    }
    modules_and_folders = {path.name for path in PACKAGE.glob("[!_]*.py")} | {
        f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")
    }
    assert named == modules_and_folders


def test_the_files_to_change_exist() -> None:
    text = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition("## Where to change what")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w/]+(?:\.py|/))`", section)
    assert len(named) > 20
    roots = PACKAGE, PACKAGE.parent
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_no_module_has_too_many_statements() -> None:
    counts = {name: sum(isinstance(node, ast.stmt) for node in nodes(path)) for name, path in modules()}
    assert {name: count for name, count in counts.items() if count > MOST_STATEMENTS} == {}


def test_few_functions_are_long() -> None:
    lengths = [(code_lines(path, node), f"{path.name}: {node.name}") for path, node in functions()]
    assert [name for length, name in lengths if length > MOST_LINES] == []
    assert len([name for length, name in lengths if length > LONG]) <= MOST_LONG_FUNCTIONS


def test_few_functions_have_many_parameters() -> None:
    counts = [(len(parameters(node)), f"{path.name}: {node.name}") for path, node in functions()]
    assert [name for count, name in counts if count > MOST_PARAMETERS] == []
    many = [name for count, name in counts if count >= MANY_PARAMETERS]
    assert len(many) <= MOST_FUNCTIONS_OF_MANY_PARAMETERS


@pytest.mark.parametrize("folder", MOST_PACKED)
def test_each_assignment_has_a_line_of_its_own(folder: str) -> None:
    paths = (PACKAGE.parent / folder).rglob("*.py")
    assert sum(is_packed(node) for path in paths for node in nodes(path)) <= MOST_PACKED[folder]


def test_there_are_few_assignments_inside_expressions() -> None:
    count = sum(isinstance(node, ast.NamedExpr) for _, path in modules() for node in nodes(path))
    assert count <= MOST_WALRUSES


def test_folders_of_many_modules_have_a_reason() -> None:
    counts = Counter(name.rpartition(".")[0].replace(".", "/") for name, _ in modules() if "__" not in name)
    text = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition("folders have more than 15 modules")[2].partition("\n## ")[0]
    with_reason = set(re.findall(r"^- `(\S+)/`: ", section, re.MULTILINE))
    assert with_reason == {folder for folder, count in counts.items() if count > MOST_MODULES}


def test_a_type_name_stands_for_one_thing() -> None:
    meanings: dict[str, set[str]] = {}
    for module, path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                meanings.setdefault(node.name, set()).add(module)
            elif isinstance(node, ast.Assign) and is_type_name(node.targets[0]):
                meanings.setdefault(ast.unparse(node.targets[0]), set()).add(ast.unparse(node.value))
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


def test_variables_are_named_after_what_they_hold() -> None:
    names = {
        path.name
        for _, path in modules()
        for node in nodes(path)
        if isinstance(node, ast.Name) and node.id in NAMES_OF_NOTHING
    }
    assert names == set()


def test_help_loads_no_torch(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import sys\ndef pytest_unconfigure():\n    print('torch loaded:', 'torch' in sys.modules)\n"
    )
    result = pytester.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--model=SPEC*", "torch loaded: False"])

"""Public functions of arrays state the shape and the unit or range of each array."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray

import quba_check
from quba_check import dimensions, metrics, stats

SHAPE = re.compile(
    r"""\((?:[A-Za-z],|(?:[A-Za-z]|\d+)(?:,\s(?:[A-Za-z]|\d+))+)\)  # (N,), (N, C), (N, 3, H, W)
    | \bN\s(?:images|pairs|rows|values)
    | \bone\s(?:per|for\seach)\b
    | \bat\sleast\sone\b
    | \bsame\sshape\b""",
    re.VERBOSE,
)
UNIT = re.compile(
    r"""[\[(]-?[\d∞]+,\s-?[\d∞]+[\])]  # [0, 1]
    | [<>≤≥…]
    | \b(?:class|classes|index|counts?|fractions?|probability|probabilities|percent|pixels|millions|logits)\b
    | \bstandard\s(?:deviation|error|normal)s?
    | \bnormal\s(?:score|quantile)s?
    | \b(?:any|positive|finite)\b
    | \bunit\sof\b
    | \b(?:same|its)\sunit\b""",
    re.VERBOSE | re.IGNORECASE,
)


def is_array(hint: Any) -> bool:
    """True for arrays, tensors and sequences of numbers or of arrays."""
    hint = getattr(get_origin(hint), "__value__", hint)  # of `NDArray` since numpy 2.5
    origin = get_origin(hint) or hint
    arguments = get_args(hint)
    if origin in (np.ndarray, torch.Tensor):
        return True
    if origin in (Union, UnionType):
        return any(is_array(argument) for argument in arguments)
    is_sequence = (
        isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping)
    )
    items = [argument for argument in arguments if argument is not Ellipsis]
    return is_sequence and bool(items) and all(item in (int, float) or is_array(item) for item in items)


def is_true_or_false(hint: Any) -> bool:
    return "numpy.bool" in str(hint)


def stated_arguments(function: Callable[..., Any]) -> dict[str, str]:
    """The texts of the docstring's Args section, by argument."""
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None:
        return {}
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", section.group(1), re.MULTILINE | re.DOTALL)
    return {name: " ".join(entry.split()) for name, entry in entries}


def missing_facts(function: Callable[..., Any]) -> list[str]:
    """What the docstring leaves out, one line for each array argument."""
    stated = stated_arguments(function)
    hints = {name: hint for name, hint in get_type_hints(function).items() if name != "return"}
    problems = []
    for name, hint in hints.items():
        if not is_array(hint):
            continue
        text = stated.get(name, "")
        missing = [] if SHAPE.search(text) else ["shape"]
        if not is_true_or_false(hint) and not UNIT.search(text):
            missing.append("unit or range")
        if missing:
            problems.append(f"{name}: no {' and no '.join(missing)}, got '{text}'")
    return problems


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for package in (stats, metrics, dimensions):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2].startswith("_"):
                continue
            for name, function in inspect.getmembers(
                importlib.import_module(module.name), inspect.isfunction
            ):
                if function.__module__ == module.name and not name.startswith("_"):
                    yield f"{module.name.removeprefix('quba_check.')}.{name}", function
    for name in quba_check.__all__:
        if inspect.isfunction(exported := getattr(quba_check, name)):
            yield name, exported


FUNCTIONS = dict(public_functions())


def test_arrays_have_a_shape_and_a_unit_or_range() -> None:
    problems = {name: missing_facts(function) for name, function in FUNCTIONS.items()}
    assert {name: missing for name, missing in problems.items() if missing} == {}


def test_functions_with_arrays_are_among_them() -> None:
    assert {"metrics.calibration.expected_calibration_error", "dimension", "quba_score"} <= set(FUNCTIONS)


# The checker itself.


def complete(table: NDArray[np.float32], right: NDArray[np.bool_], z: Sequence[float], n: int) -> None:
    """Return nothing.

    Args:
        table: (N, C) float32, in
            [0, 1].
        right: (N,) True where the answer is the label.
        z: one per limit, standard normal.
        n: how many.

    Returns:
        None.
    """


def incomplete(table: NDArray[np.float32], right: NDArray[np.bool_], x: torch.Tensor | None) -> None:
    """Return nothing.

    Args:
        table: probabilities.
        right: (N,) whatever.
    """


def test_a_complete_docstring() -> None:
    assert missing_facts(complete) == []


def test_an_incomplete_docstring() -> None:
    assert missing_facts(incomplete) == [
        "table: no shape, got 'probabilities.'",
        "x: no shape and no unit or range, got ''",
    ]

"""Hostile input files: valid ones with random errors, and arbitrary text."""

import json
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("QUBA_FUZZ_EXAMPLES", "60"))
"""Examples of each target; CI runs 500."""
FUZZ = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Raw:
    """Text that needs no quotes in a file."""

    text: str


ODD_TEXT = (
    "", " ", "~nobody-here/x", "x" * 300, "a\nb", "a\0b", "\ud800", "\u202e", "caf\udce9", "=1+1", "%s",
    "{}",
    "inf%", "nan%", "1e999%", "-5%", "9" * 5000 + "%", "50 %", "..", ".", "/", "/dev/null", "/dev/stdin",
    "x/../y", "{0..99999999999}.tar", "{a,b}{c,d}" * 20, "*", "[", "published", "default", "imagenet",
    "x.txt",
    "accuracy", "quba", "n01440764",
)  # fmt: skip
ODD_NUMBERS = (0, 1, -1, 2, 10**6, 10**18, 10**40, -(10**400), 0.5, -0.0, 1e-320, 1e300, 1.7e308, -1.7e308)
ODD_YAML = (
    "true", "~", "1.0", "'1'", ".inf", "-.inf", ".nan", "1e309", "9" * 5000, "0x" + "f" * 400, "1_000",
    "0o7",
    "&a [*a]", "*a", "&b 1", "!!binary aGk=", "!!set {a}", "!!int x", "!!float x", "!!str 1", "!unknown 1",
    "!!python/object/apply:os.abort []", "2001-01-01", "2001-01-01 10:00:00", '"\\0"', '"\\ud800"',
    '"\\x1b[31m"',
    "[" * 100 + "]" * 100, "[" * 3000, "{a: 1, a: 2}", "{<<: {a: 1}}", "{<<: 1}", "{1: 2}",
    "{? [a] : b}", "|",
    "- a", "'", '"', "#", "@", "`", "%", "\t", "\r\n", "---", "...", "{", "]", ":", "? ",
)  # fmt: skip
ODD_JSON = (
    "NaN", "Infinity", "-Infinity", "1e309", "9" * 5000, "-" + "9" * 30, '"\\ud800"', '"\\u0000"',
    '"\\u001b"',
    "[" * 3000 + "]" * 3000, '{"a": 1, "a": 2}', "'", "tru", "{", "]", "01", "\x00",
)  # fmt: skip

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(ODD_NUMBERS),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(ODD_TEXT),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(tree: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths in a tree."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for step, inner in steps for place in ((*above, step), *places(inner, (*above, step)))]


def similar(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same type as another, which pass more checks than others."""
    match value:
        case bool():
            return st.booleans()
        case int() | float():
            return st.sampled_from(ODD_NUMBERS) | st.floats(-2, 2) | st.integers(-5, 200)
        case str():
            return st.sampled_from(ODD_TEXT) | st.text(max_size=8)
        case list() if value:
            return st.sampled_from([value[:1], value + value, value[::-1], []])
        case _:
            return VALUES


@st.composite
def spoilt(draw: st.DrawFn, sound: Any, odd: tuple[str, ...]) -> Any:
    """A valid tree with one to three changes: a value replaced, moved or removed, or a key added."""
    tree = deepcopy(draw(st.sampled_from(sound)))
    for _ in range(draw(st.integers(1, 2))):
        # The first items stand for the others of a long list.
        place = draw(st.sampled_from([one for one in places(tree) if one[-1] not in range(2, 40)] or [()]))
        if not place:
            continue
        inside = tree
        for step in place[:-1]:
            inside = inside[step]
        match draw(st.sampled_from((*["similar"] * 8, "replace", "remove", "add", "copy"))):
            case "similar":
                inside[place[-1]] = draw(similar(inside[place[-1]]))
            case "replace":
                inside[place[-1]] = draw(VALUES | st.sampled_from(odd).map(Raw))
            case "remove":
                del inside[place[-1]]
            case "add" if isinstance(inside, dict):
                inside[draw(st.sampled_from(ODD_TEXT) | st.text(max_size=5))] = draw(VALUES)
            case "copy":
                copied = tree
                for step in draw(st.sampled_from(places(tree))):
                    copied = copied[step]
                inside[place[-1]] = deepcopy(copied)
    return tree


def flow(value: Any, scalar: Callable[[Any], str]) -> str:
    """A tree as JSON, or as YAML in flow style."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(inner, scalar)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(inner, scalar) for inner in value) + "]"
    return scalar(value)


def block(tree: Any) -> str:
    """A tree as YAML whose first keys have lines of their own."""
    if not isinstance(tree, dict):
        return flow(tree, json.dumps)
    return "".join(f"{json.dumps(key)}: {flow(value, json.dumps)}\n" for key, value in tree.items())


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


RAW = st.binary(max_size=200) | st.text(max_size=200).map(encoded) | st.text(
    alphabet="{}[]:,-?&*!|>'\"%@`#\n \tab1", max_size=80
).map(encoded)  # fmt: skip
WRAPPED = st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"%YAML 1.1\n---\n"]), st.booleans())


def yaml_files(*sound: Any) -> st.SearchStrategy[bytes]:
    """YAML files, most of them nearly valid."""
    near = st.tuples(WRAPPED, spoilt(sound, ODD_YAML)).map(
        lambda made: (
            made[0][0]
            + (encoded(block(made[1])).replace(b"\n", b"\r\n") if made[0][1] else encoded(block(made[1])))
        )
    )
    return st.integers(0, 7).flatmap(lambda number: near if number else RAW)


def json_files(*sound: Any) -> st.SearchStrategy[bytes]:
    """JSON files, most of them nearly valid."""
    near = spoilt(sound, ODD_JSON).map(lambda tree: encoded(flow(tree, json.dumps)))
    return st.integers(0, 7).flatmap(lambda number: near if number else RAW)

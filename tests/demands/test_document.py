import json
from dataclasses import replace
from pathlib import Path

import pytest
from demands.test_faults import SUITE
from demands.test_schema import ENTRIES
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml.nodes import MappingNode
from support.gate import threshold_error, thresholds

from quba_check.demands.document import merge, plain, tree_of
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import Document

KEYS = st.sampled_from(["a", "b", "c", "d"])
FLAT = st.dictionaries(KEYS, st.integers(0, 9), min_size=1, max_size=4)
PLAIN = st.recursive(
    FLAT,
    # As in threshold files, a key either always holds a mapping or never.
    lambda inner: st.builds(
        dict.__or__, FLAT, st.dictionaries(st.sampled_from(["A", "B"]), inner, min_size=1)
    ),
    max_leaves=8,
)


def tree(data):
    return tree_of(Document(Path("x"), "x", ThresholdError, data, MappingNode("", [])))


def merged(parent, child):
    errors = []
    tree = merge(parent, child, errors)
    assert errors == []
    return tree


def paths(data, above=()):
    for key, value in data.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


def at(data, path):
    for key in path:
        data = data[key]
    return data


@settings(deadline=None, derandomize=True)
@given(PLAIN)
def test_nothing_over_a_file_and_a_file_over_nothing_is_the_file(data):
    assert plain(merged(tree(data), {})) == data
    assert plain(merged({}, tree(data))) == data
    assert plain(merged(tree(data), tree(data))) == data


@settings(deadline=None, derandomize=True)
@given(PLAIN, PLAIN)
def test_values_of_the_child_replace_those_of_the_parent(parent, child):
    result = plain(merged(tree(parent), tree(child)))
    for path in paths(child):
        value = at(child, path)
        if not isinstance(value, dict):
            assert at(result, path) == value
    for key, value in parent.items():
        if key not in child:
            assert result[key] == value
    assert list(result) == [*parent, *(key for key in child if key not in parent)]
    assert plain(tree(parent)) == parent, "layers are not changed by being laid"


@settings(deadline=None, derandomize=True)
@given(PLAIN, PLAIN, PLAIN)
def test_merging_three_files_is_associative(first, second, third):
    one = merged(merged(tree(first), tree(second)), tree(third))
    other = merged(tree(first), merged(tree(second), tree(third)))
    assert plain(one) == plain(other)


@settings(deadline=None, derandomize=True)
@given(PLAIN, st.data())
def test_null_removes(parent, data):
    path = data.draw(st.sampled_from(sorted(paths(parent))))
    child = None
    for key in reversed(path):
        child = {key: child}
    result = plain(merged(tree(parent), tree(child)))
    left = set(paths(result))
    assert path not in left
    gone = {other for other in paths(parent) if other[: len(path)] == path}
    emptied = {path[:length] for length in range(1, len(path))}
    assert set(paths(parent)) - gone - emptied <= left


VALUES = {
    "set": ("night", ["night", "fog"]),
    "pipeline": ("app", "other"),
    "epsilon": ("4/255", "2/255"),
    "at": ({"probability": 0.3}, {"probability": 0.5}),
    "prevalence": (0.02, 0.5),
}
"""Two values of each condition."""
CASES = [(location, condition) for location, conditions in ENTRIES.items() for condition in conditions]


def place_of(location):
    """Return the place of an entry, with names of classes."""
    names = iter(["cat", "dog"])
    return tuple(next(names) if key == "*" else key for key in location)


def bounds_of(location):
    """Return a bound for each kind of entry, on a number that has all conditions."""
    section = location[0]
    bound = {"max": 0.5} if "not_as" in location else {"min": 0.5}
    if section == "dimensions":
        return {"max" if location[1] == "calibration_error" else "min": 0.5}
    numbers = {"classes": {"precision": bound}, "answers": {"aurc": {"max": 0.5}}}
    return bound if "not_as" in location else numbers.get(section, {"agreement": bound})


def file_of(place, entry):
    """Return a threshold file with an entry."""
    section, *keys = place
    for key in reversed(keys):
        entry = {key: entry}
    return f"{section}: {json.dumps(entry)}"


def names_of(text, **others):
    return [demand.name for demand in thresholds(text, SUITE, **others).demands]


@pytest.mark.parametrize(("location", "condition"), CASES)
def test_an_extending_file_moves_no_inherited_demand(location, condition):
    place = place_of(location)
    bounds = bounds_of(location)
    value, other = VALUES[condition]
    with_value, without = (file_of(place, one) for one in (bounds | {condition: value}, bounds))
    refused = (
        f"x.yaml:3: {'.'.join((*place, condition))}: it would change a condition of the inherited demands of "
        "this entry. Allowed: a list of entries, which replaces the inherited one."
    )

    def child(stated):
        return f"extends: base.yaml\n{file_of(place, stated)}"

    for base, changed in ((with_value, other), (with_value, None), (without, value)):
        assert threshold_error(child({condition: changed}), SUITE, base=base) == refused
        assert threshold_error(child(bounds | {condition: changed}), SUITE, base=base) == refused
    assert names_of(child({condition: value}), base=with_value) == names_of(with_value)
    assert names_of(child([bounds | {condition: value}]), base=without) == names_of(with_value)


CHOSEN = "classes: {cat: {at: {specificity: 0.9, from: tuning}, recall: {min: 0.5}}}"
ANSWERED = "answers: {at: {probability: 0.9}, share: {min: 0.5}}"


@pytest.mark.parametrize(
    ("base", "child", "is_moved"),
    [
        (CHOSEN, "classes: {cat: {at: {from: night}}}", True),
        (CHOSEN, "classes: {cat: {at: {specificity: 0.8}}}", True),
        (CHOSEN, "classes: {cat: {at: {specificity: null, recall: 0.9}}}", True),
        (CHOSEN, "classes: {cat: {at: {specificity: null, from: null}}}", True),
        (CHOSEN, "classes: {cat: {at: {from: tuning, specificity: 0.90}, f1: {min: 0.5}}}", False),
        (CHOSEN, "classes: {cat: {at: {}}}", False),
        (CHOSEN, "classes: {cat: null, dog: {set: night, recall: {min: 0.5}}}", False),
        (ANSWERED, "answers: {at: {probability: null, energy: 0.5}}", True),
        (ANSWERED, "answers: {at: {probability: {cat: 0.3, default: 0.9}}}", True),
        (ANSWERED, "answers: {at: {probability: 0.9}, share: {max_drop: 0.1}}", False),
    ],
)
def test_a_condition_with_keys_is_compared_as_a_whole(base, child, is_moved):
    message = "it would change a condition of the inherited demands of this entry"
    text = f"extends: base.yaml\n{child}"
    if is_moved:
        assert message in threshold_error(text, SUITE, base=base)
    else:
        assert names_of(text, base=base)


def test_names_of_conditions_can_be_those_of_classes_and_slices():
    suite = replace(SUITE, class_names=("at", "set", *"cdefghij"), slices=("set", "at"))
    text = """classes:
  at: {recall: {min: 0.5, slices: {set: {worst: {min: BOUND}}}}}
  not_as: {set: {at: {max: BOUND}}, at: {set: {max: 0.5}}}
"""
    base = text.replace("BOUND", "0.5")
    child = text.replace("BOUND", "0.4")
    demands = thresholds(f"extends: base.yaml\n{child}", suite, base=base).demands
    assert [one.bound for one in demands] == [0.5, 0.4, 0.4, 0.5]
    left = thresholds("extends: base.yaml\nclasses: {at: null, not_as: {at: null}}", suite, base=base).demands
    assert [one.name for one in left] == ["classes.not_as.set.at[max]"]


@pytest.mark.parametrize(("location", "condition"), CASES)
def test_an_entry_of_conditions_alone_is_refused(location, condition):
    place = place_of(location)
    message = threshold_error(file_of(place, {condition: VALUES[condition][0]}), SUITE)
    assert message.startswith(f"x.yaml:2: {'.'.join(place).removeprefix('dimensions.')}: nothing is demanded")

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml.nodes import MappingNode

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

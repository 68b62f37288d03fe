"""Objects with shards are checked as a whole, and never trusted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.errors import error_text

from quba_check.storage.shard import (
    DamagedShardError,
    ShardKey,
    decode_shards,
    encode_shards,
    object_name,
    read_header,
)

KEYS = [ShardKey("e" * 32, number, str(number) * 32, range(2 * number, 2 * number + 2)) for number in (3, 4)]
NAME = object_name("e" * 32, [key.id for key in KEYS])
COLUMNS = {
    "index": np.arange(6, 10),
    "flag": np.array([True, False, True, True]),
    "large": np.array([1, 2, 3, 2**40]),
}
CONTENT = encode_shards(KEYS, COLUMNS, {"view": "fog"})


def test_rows_of_two_shards() -> None:
    header, columns = decode_shards(CONTENT, NAME, "x")
    assert header.metadata["view"] == "fog"
    assert header.rows == {KEYS[0].id: range(2), KEYS[1].id: range(2, 4)}
    assert header.images == 4
    for name, column in COLUMNS.items():
        assert columns[name].dtype == column.dtype
        assert columns[name].tolist() == column.tolist()


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        (b"", NAME, "its header is cut off"),
        (CONTENT[:50], NAME, "its header is cut off"),
        (CONTENT[:-1], NAME, f"it has {len(CONTENT) - 1} bytes, but its header states {len(CONTENT)}"),
        (CONTENT + b"?", NAME, f"it has {len(CONTENT) + 1} bytes, but its header states {len(CONTENT)}"),
        (CONTENT, object_name("f" * 32, [KEYS[0].id]), "it is of another model, view, settings or images"),
    ],
    ids=["empty", "cut header", "shorter", "longer", "another"],
)
def test_a_header_that_does_not_fit(content: bytes, name: str, text: str) -> None:
    assert error_text(DamagedShardError, decode_shards, content, name, "x") == f"x: cannot be read ({text})"


def test_columns_of_two_lengths() -> None:
    content = encode_shards(KEYS, COLUMNS | {"flag": np.zeros(3, np.bool_)}, {})
    with pytest.raises(DamagedShardError, match="its columns differ in length"):
        read_header(content, len(content), NAME)


@given(position=st.integers(0, len(CONTENT) - 1), value=st.integers(1, 255))
@settings(derandomize=True, max_examples=200)
def test_any_changed_byte_of_names_or_rows_is_noticed(position: int, value: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[position] ^= value
    try:
        header, columns = decode_shards(bytes(damaged), NAME, "x")
    except DamagedShardError:
        return
    assert (header.rows, columns.keys()) == (decode_shards(CONTENT, NAME, "x")[0].rows, COLUMNS.keys())
    for name, column in COLUMNS.items():
        assert columns[name].tolist() == column.tolist()


@given(data=st.binary(max_size=200))
@settings(derandomize=True, max_examples=50)
def test_any_other_content_is_damaged(data: bytes) -> None:
    for content in (data, len(data).to_bytes(8, "little") + data):
        with pytest.raises(DamagedShardError):
            decode_shards(content, NAME, "x")

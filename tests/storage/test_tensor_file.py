"""Safetensors files are read by ranges of rows, and never trusted."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quba_check.storage.tensor_file import TensorFile, tensor_file
from safetensors.numpy import save

from quba_check.storage.shard import DamagedShardError

TABLE = np.arange(12, dtype=np.float32).reshape(6, 2)
PAYLOAD = save(
    {"table": TABLE, "empty": np.empty((6, 0)), "flag": TABLE[:, 0] > 5, "count": np.arange(6)},
    {"view": "fog"},
)


def file_with(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(**changes: object) -> dict[str, object]:
    return {"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]} | changes}


def test_ranges_of_rows(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(PAYLOAD)
    with tensor_file(tmp_path / "file") as file:
        assert file.metadata == {"view": "fog"}
        assert file.shapes == {"table": (6, 2), "empty": (6, 0), "flag": (6,), "count": (6,)}
        rows = file.rows("table", [range(4, 6), range(1)])
        assert (rows.dtype, rows.tolist()) == (np.float32, [[8, 9], [10, 11], [0, 1]])
        assert file.rows("empty", [range(2, 4)]).shape == (2, 0)
        assert file.rows("flag", [range(2, 4)]).tolist() == [False, True]
        assert file.rows("count", []).tolist() == []


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "its header is cut off"),
        (PAYLOAD[:50], "its header is cut off"),
        (PAYLOAD[:-1], f"it has {len(PAYLOAD) - 1} bytes, but its header states {len(PAYLOAD)}"),
        (PAYLOAD + b"?", f"it has {len(PAYLOAD) + 1} bytes, but its header states {len(PAYLOAD)}"),
        (file_with(tensor(shape=[2]), bytes(8)), "it has 77 bytes, but its header states 85"),
        (file_with(tensor(shape=[-1]), bytes(8)), "its header is wrong about 'a'"),
        (file_with(tensor(shape=[]), bytes(8)), "its header is wrong about 'a'"),
        (file_with(tensor(data_offsets=[8, 16]), bytes(16)), "its header is wrong about 'a'"),
        (file_with(tensor(dtype="BF16"), bytes(8)), "'BF16'"),
    ],
)
def test_a_header_that_does_not_fit(tmp_path: Path, payload: bytes, text: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(payload)
    with pytest.raises(DamagedShardError) as caught, tensor_file(path):
        pass
    assert str(caught.value) == f"{path}: cannot be read ({text})"


def test_rows_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PAYLOAD)
    with pytest.raises(DamagedShardError) as caught, tensor_file(path) as file:
        file.rows("table", [range(5, 7)])
    assert str(caught.value) == f"{path}: cannot be read ('table' has 6 rows only)"
    large = save({"table": np.zeros((1000, 1000))})
    path.write_bytes(large)
    with tensor_file(path) as file:
        path.write_bytes(large[:-1])
        with pytest.raises(ValueError, match="'table' is cut off"):
            file.rows("table", [range(1000)])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), tensor_file(tmp_path / "file"):
        pass


def test_a_file_that_another_machine_removes_is_gone_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(PAYLOAD)

    def stale(*_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(TensorFile, "rows", stale)
    with pytest.raises(FileNotFoundError), tensor_file(path) as file:
        file.rows("table", [range(6)])


@given(data=st.binary(max_size=200))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_any_other_file_is_damaged(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    for payload in (data, len(data).to_bytes(8, "little") + data):
        path.write_bytes(payload)
        with pytest.raises(DamagedShardError), tensor_file(path):
            pass

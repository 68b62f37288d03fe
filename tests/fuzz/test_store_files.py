"""Whatever files of a store hold: one line or a damaged file, no traceback."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hostile import FUZZ
from support.stored import predict, prediction_files

from quba_check.cli.main import main
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store

Changes = list[tuple[int, int]]
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)
"""Places of bytes, modulo the size of the file, with other values."""
CUTS = st.integers(0, 10**6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(tmp_path_factory.mktemp("fuzz") / "store")
    predict(store, "r50", "clean")
    return store


def changed(content: bytes, changes: Changes) -> bytes:
    altered = bytearray(content)
    for place, value in changes:
        altered[place % len(altered)] = value
    return bytes(altered)


@given(changes=CHANGES, place=CUTS, is_cut=st.booleans())
@FUZZ
def test_predictions_with_other_bytes(store: Store, changes: Changes, place: int, is_cut: bool) -> None:
    (source,) = prediction_files(store, "r50", "clean")
    damaged = store.root.parent / "damaged"
    shutil.rmtree(damaged, ignore_errors=True)
    path = damaged / source.relative_to(store.root)
    open_store(damaged)
    path.parent.mkdir(parents=True)
    content = changed(source.read_bytes(), changes)
    path.write_bytes(content[: place % len(content)] if is_cut else content)
    for words in (["list"], ["list", "--json"], ["prune", "--larger-than=0", "--older-than=0h"]):
        assert main(["store", *words, f"--store={damaged}"]) == 0
    assert main(["store", "verify", f"--store={damaged}"]) in (0, 1)
    assert main(["store", "verify", "--remove", f"--store={damaged}"]) == 0
    assert main(["store", "verify", f"--store={damaged}"]) == 0

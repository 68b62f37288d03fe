"""What a pickle would import, read from its instructions. Nothing of it is run."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

LARGEST = 8 * 2**20
"""More bytes of instructions than this are not looked through; tensors are stored outside of them."""


LEGACY_PICKLES = 5
"""Before the zip format torch wrote five pickles in a row, and then the tensors."""


def pickled_names(path: Path) -> tuple[str, ...]:
    """The dotted names that reading a checkpoint would import, in order, each once.

    Args:
        path: a file of `torch.save`, in the zip format or the one before it, or a plain pickle.

    Returns:
        Names such as `collections.OrderedDict`. Empty for files that hold no pickle; up to the damage for
        damaged ones.
    """
    names: dict[str, None] = {}
    try:
        with path.open("rb") as file:
            for pickled in _pickles(file):
                names.update(dict.fromkeys(_names(pickled)))
    except Exception:  # noqa: BLE001, S110  ends early, is no pickle, or damaged in one of many ways
        pass
    return tuple(names)


def _pickles(file: BinaryIO) -> Iterator[BinaryIO]:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.filename.endswith("data.pkl") and member.file_size <= LARGEST:
                    yield io.BytesIO(archive.read(member))
        return
    file.seek(0)
    instructions = io.BytesIO(file.read(LARGEST))
    for _ in range(LEGACY_PICKLES):
        yield instructions


def _names(pickled: BinaryIO) -> Iterator[str]:
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
            yield ".".join(texts[-2:])
        if isinstance(argument, str):
            texts.append(argument)

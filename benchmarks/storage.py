"""Rows on digests of many files and on the stored predictions of 50,000 images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks.measuring import cpu_of, cpu_seconds
from benchmarks.row import Row
from benchmarks.work import Work
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.opening import open_store
from quba_check.storage.shard import ShardKey, encode_shards
from quba_check.storage.store import SHARD_SIZE, content_hash

FILES = 50_000
IMAGES = 50_000
CLASSES = 1000
VIEWS = 90
WARM_GOAL = 4.0
FILES_GOAL = VIEWS
LONG_AGO = 1_600_000_000


def digest_rows(work: Work) -> list[Row]:
    """Return the rows on digests of 50,000 files of 200 bytes, new and known."""
    cold, warm, least = digest_microseconds(work)
    details = f"CPU; {FILES:,} files of 200 bytes in 50 folders; os.stat alone takes {least:.1f} µs"
    return [
        Row("digests, cold", f"{cold:.1f} µs a file", details),
        Row.at_most("digests, warm", warm, "µs a file", details, WARM_GOAL),
    ]


def digest_microseconds(work: Work) -> tuple[float, float, float]:
    """Return CPU microseconds of the digest of a new file, of a known one, and of `os.stat`."""
    paths = small_files(work.new_folder())
    database = work.new_folder() / "digests.sqlite"
    ContentDigests(database).digests(paths[:1])
    cold, *warm = (1e6 * cpu_of(lambda: ContentDigests(database).digests(paths)) / FILES for _ in range(3))
    names = [str(path) for path in paths]
    least = 1e6 * cpu_of(lambda: [os.stat(name) for name in names]) / FILES  # noqa: PTH116  this call is measured
    return cold, min(warm), least


def small_files(folder: Path) -> list[Path]:
    """Write small files that are old enough for their digests to be kept."""
    paths = []
    for group in range(50):
        (folder / f"{group:02d}").mkdir()
        for number in range(FILES // 50):
            path = folder / f"{group:02d}" / f"{number:05d}.jpg"
            path.write_bytes(b"%09d" % (group * FILES + number) * 22)
            os.utime(path, (LONG_AGO, LONG_AGO))
            paths.append(path)
    return paths


def store_rows(work: Work) -> list[Row]:
    """Return the row on files and bytes of 90 views of 50,000 images.

    The clean view, with its table of probabilities, and one other view are written; the other 88 are like the
    second.
    """
    clean = written(work, "clean", with_probabilities=True)
    other = written(work, "corrupted", with_probabilities=False)
    files = clean[0] + (VIEWS - 1) * other[0]
    size = (clean[1] + (VIEWS - 1) * other[1]) / 1e6
    rate = clean[1] / clean[2] / 1e6
    details = (
        f"{size:,.0f} MB for {IMAGES:,} images in {VIEWS} views, one with {CLASSES:,} probabilities; "
        f"written at {rate:,.0f} MB a second of CPU, packing included"
    )
    return [Row.at_most("store: files of a complete model", files, "files", details, FILES_GOAL, 0)]


def written(work: Work, name: str, *, with_probabilities: bool) -> tuple[int, int, float]:
    """Write all shards of a view into an empty store, and pack them.

    Returns:
        Files, bytes, and CPU seconds of writing and packing.
    """
    store = open_store(work.new_folder())
    spent = 0.0
    rng = np.random.default_rng(0)
    entry = content_hash(name)
    keys = []
    for number in range(-(-IMAGES // SHARD_SIZE)):
        indices = range(number * SHARD_SIZE, min(IMAGES, (number + 1) * SHARD_SIZE))
        key = ShardKey(entry, number, content_hash([name, number]), indices)
        columns = {
            "index": np.array(indices, np.int64),
            "label": np.array(indices, np.int64) // (IMAGES // CLASSES),
            "top1": rng.integers(0, CLASSES, len(indices)),
            "confidence": rng.random(len(indices), np.float32),
            "true_probability": rng.random(len(indices), np.float32),
        }
        if with_probabilities:
            columns["probabilities"] = rng.random((len(indices), CLASSES), np.float32)
        begin = cpu_seconds()
        store.put(key, encode_shards([key], columns, {"model": "m", "view": name, "outputs": "logits"}))
        spent += cpu_seconds() - begin
        keys.append(key)
    spent += cpu_of(lambda: store.pack(keys))
    files = [path for path in (store.root / "predictions" / entry).rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files), spent

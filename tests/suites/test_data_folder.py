"""Suites behind a URL: the examples and images of the same folder on this machine."""

from __future__ import annotations

import io
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from quba_check.core.view import CLEAN, CORRUPTIONS, SAMPLED, SEVERITIES, View
from quba_check.errors import SuiteError
from quba_check.storage.remote.mirror import MirrorSettings
from quba_check.suites import Suite, open_suite
from quba_check.suites.opening import find_suite
from quba_check.suites.sampling import WHOLE

MANIFEST = """\
schema: 1
name: fruit
classes: lists/classes.txt
sets:
  clean: {reader: folder, path: val}
  corruptions: {reader: arrays, path: c, sample: one}
  shifts:
    listed: {reader: csv, path: lists/listed.csv}
    table: {reader: parquet, path: lists/table.parquet}
    stored: {reader: parquet, path: stored}
    braces: {reader: webdataset, path: "shards/x-{0..1}.tar"}
    wild: {reader: webdataset, path: "shards/x-*.tar"}
    pair: {reader: arrays, images: x.npy, labels: y.npy}
    saved: {reader: hf, path: saved}
    absent: {reader: csv, path: lists/absent.csv}
    no_shards: {reader: webdataset, path: "shards/y-*.tar"}
    half: {reader: arrays, images: x.npy, labels: z.npy}
  cue_conflict: {reader: cue-conflict, path: cc}
"""
SETS = (CLEAN, *map(View, ("listed", "table", "stored", "braces", "wild", "pair", "saved", "cue_conflict")))
MB = 1e-3
"""In gigabytes."""


def png(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 0, 0)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of two classes in every kind of container; nothing may be written into it."""
    root = tmp_path_factory.mktemp("local")
    images = {
        f"{folder}/{name}/{k}.png": 40 * k for folder in ("val", "pool") for name in "ab" for k in (0, 1)
    }
    images |= {"cc/a1-b1.png": 7, "cc/b1-a1.png": 9, "cc/.hidden": 0, "unused.png": 1}
    for name, shade in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(shade))
    for folder in ("lists", "shards", "stored", "c"):
        (root / folder).mkdir()
    (root / "lists/classes.txt").write_text("a\nb\n")
    (root / "lists/listed.csv").write_text("path,label\n../pool/b/1.png,b\n../pool/a/0.png,a\n")
    pq.write_table(pa.table({"path": ["../pool/a/1.png"], "label": ["a"]}), root / "lists/table.parquet")
    for k in (0, 1):
        cells = pa.table({"image": [png(k), png(k + 2)], "label": ["a", "b"]})
        pq.write_table(cells, root / f"stored/{k}.parquet")
        with tarfile.open(root / f"shards/x-{k}.tar", "w") as tar:
            for name, content in (("s.png", png(50 + k)), ("s.cls", b"ab"[k : k + 1])):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    pixels = np.arange(10 * 4 * 4 * 3, dtype=np.uint8).reshape(10, 4, 4, 3)
    np.save(root / "x.npy", pixels[:2])
    np.save(root / "y.npy", [0, 1])
    for corruption in CORRUPTIONS:
        np.save(root / f"c/{corruption}.npy", pixels)
    np.save(root / "c/labels.npy", [0, 1] * len(SEVERITIES))
    datasets.disable_progress_bars()
    rows = {"image": [Image.new("RGB", (4, 4), (k, 0, 0)) for k in (1, 2)], "label": ["b", "a"]}
    table = datasets.Dataset.from_dict(
        rows, datasets.Features(image=datasets.Image(), label=datasets.Value("string"))
    )
    table.save_to_disk(root / "saved")
    (root / "quba-data.yaml").write_text(MANIFEST)
    return root


Open = Callable[..., Suite]


@pytest.fixture
def remote(local: Path, tmp_path: Path) -> Open:
    """Opens the suite through a URL, with a limit in megabytes."""
    store = tmp_path / "store"
    return lambda megabytes=1000.0, root=local: find_suite(
        f"file://{root}", store, WHOLE, MirrorSettings(megabytes * MB)
    )


def read(suite: Suite, view: View) -> list[tuple[str, int, int, bytes]]:
    """Names, labels and pixels."""
    return [
        (example.full_name, example.label, example.texture, suite.image(example).tobytes())
        for example in suite.examples(view)
    ]


@pytest.mark.parametrize("view", [*SETS, View("corruptions", "fog", 2), SAMPLED], ids=str)
def test_examples_and_images_are_those_of_the_folder(view: View, local: Path, remote: Open) -> None:
    suite = remote()
    assert suite.missing(view) is None
    assert read(suite, view) == read(open_suite(local), view)


def test_a_set_takes_the_files_that_it_needs(local: Path, remote: Open) -> None:
    def copied() -> set[str]:
        files = (path for path in suite.root.rglob("*") if path.is_file())
        return {path.relative_to(suite.root).as_posix() for path in files} - before

    suite, before = remote(), set[str]()
    assert copied() == {"quba-data.yaml", "lists/classes.txt"}
    assert suite.views()
    before = copied()
    expected = {
        CLEAN: {f"val/{name}/{k}.png" for name in "ab" for k in (0, 1)},
        View("listed"): {"lists/listed.csv", "pool/a/0.png", "pool/b/1.png"},
        View("table"): {"lists/table.parquet", "pool/a/1.png"},
        View("braces"): {"shards/x-0.tar", "shards/x-1.tar"},
        View("wild"): set(),
        View("pair"): {"x.npy", "y.npy"},
        View("cue_conflict"): {"cc/a1-b1.png", "cc/b1-a1.png", "cc/.hidden"},
        View("corruptions", "fog", 2): {"c/fog.npy", "c/labels.npy"},
        View("corruptions", "fog", 3): set(),
        SAMPLED: {f"c/{name}.npy" for name in CORRUPTIONS if name != "fog"},
    }
    for view, names in expected.items():
        with suite.hold(view):
            assert copied() == names, view
        suite.examples(view)
        assert copied() == names, view
        before |= copied()


def test_views_with_images_are_those_of_the_folder(local: Path, remote: Open) -> None:
    assert remote().views() == open_suite(local).views()


def test_missing_sets_are_named_by_the_url(local: Path, remote: Open) -> None:
    suite, url = remote(), f"file://{local}"
    assert suite.location == suite.source == url
    reasons = {name: suite.missing(View(name)) for name in ("absent", "no_shards", "half", "other")}
    assert reasons == {
        "absent": f"the set 'absent' is missing: looked for {url}/lists/absent.csv",
        "no_shards": f"the set 'no_shards' is missing: looked for {url}/shards/y-*.tar",
        "half": f"the set 'half' is missing: looked for {url}/z.npy",
        "other": f"{url}/quba-data.yaml declares no set 'other'",
    }
    with pytest.raises(SuiteError) as error:
        suite.examples(View("absent"))
    assert str(error.value) == (f"{url}: the set 'absent' is missing: looked for {url}/lists/absent.csv.")


def test_small_copies_make_room_for_each_other(local: Path, remote: Open) -> None:
    suite, folder, largest = remote(0.021), open_suite(local), 0
    for _ in range(2):
        for view in SETS:
            assert read(suite, view) == read(folder, view)
            files = [path for path in suite.root.rglob("*") if path.is_file()]
            largest = max(largest, sum(path.stat().st_size for path in files))
    assert 20_000 < largest <= 21_000


def test_threads_do_not_take_files_from_each_other(local: Path, remote: Open) -> None:
    suite = remote(0.021)  # for one of the two sets
    shards, tables = (suite.examples(view) for view in (View("braces"), View("stored")))
    is_done = threading.Event()

    def read_images() -> int:
        count = 0
        while not is_done.is_set() or not count:
            count += sum(suite.image(example).width for example in shards)
        return count

    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(read_images) for _ in range(3)]
        try:
            for _ in range(100):
                with suite.hold(View("stored")):
                    assert all(suite.path(example).is_file() for example in tables)
                    assert not any(suite.path(example).is_file() for example in shards)
        finally:
            is_done.set()
        assert min(one.result() for one in reading) > 0


def test_an_image_whose_set_was_removed_is_copied_again(local: Path, remote: Open) -> None:
    suite = remote()
    examples = {view: suite.examples(view) for view in SETS}
    shutil.rmtree(suite.root)
    for view, listed in examples.items():
        expected = [pixels for *_, pixels in read(open_suite(local), view)]
        assert [suite.image(example).tobytes() for example in listed] == expected, view


def test_a_damaged_image_is_named_by_the_url(local: Path, remote: Open, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(local, root)
    (root / "val/a/0.png").write_bytes(b"no image")
    (root / "val/c").mkdir()
    (root / "val/b/2.jpg.txt").write_bytes(b"")
    suite = remote(root=root)
    with pytest.raises(SuiteError) as error:
        suite.image(suite.examples(CLEAN)[0])
    assert str(error.value) == (
        f"file://{root}/val/a/0.png: cannot be decoded as an image (no image format recognises it). Replace "
        "or remove the file."
    )
    (root / "val/c/0.png").write_bytes(png(0))
    with pytest.raises(SuiteError) as error:
        remote(root=root).examples(CLEAN)
    assert str(error.value) == (f"file://{root}/val/c: unknown class folder 'c'. Allowed: a, b.")


def test_a_listed_image_that_is_not_behind_the_url(local: Path, remote: Open, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(local, root)
    (root / "lists/listed.csv").write_text("path,label\n../pool/x.png,a\n")
    with pytest.raises(SuiteError) as error:
        remote(root=root).examples(View("listed"))
    url = f"file://{root}"
    assert str(error.value) == (f"{url}/lists/listed.csv:2: there is no file {url}/lists/../pool/x.png.")


def test_a_set_above_the_limit(remote: Open, local: Path) -> None:
    suite = remote(0.001)
    with pytest.raises(SuiteError) as error:
        suite.examples(View("braces"))
    assert str(error.value) == (
        f"file://{local}: the set 'braces' takes 2.048e-05 GB, more than this machine may keep (1e-06 GB). "
        "Allowed: --quba-mirror-gb 0.1 or more, or fewer images."
    )
    with pytest.raises(
        SuiteError, match=r"the set 'corruptions/gaussian_noise/1' and 14 others together take"
    ):
        suite.examples(SAMPLED)


@pytest.fixture
def memory() -> Iterator[Callable[[str, str], None]]:
    """Writes files of fsspec's memory."""
    system = fsspec.filesystem("memory")
    yield lambda path, text: system.pipe(path, text.encode())
    system.store.clear()


def test_errors_of_a_manifest_behind_a_url(
    memory: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUBA_DATA", "memory://data/")

    def message() -> str:
        with pytest.raises(SuiteError) as error:
            find_suite(None, tmp_path)
        return str(error.value)

    expected = (
        "Expected in it: quba-data.yaml, or the published layout (imagenet/val, imagenet-c, imagenet-r, "
        "modelvshuman, bg_challenge)."
    )
    assert message() == f"memory://data: there are no files. {expected} Name another folder."
    memory("/data/photos/a.png", "")
    memory("/data/x.txt", "")
    assert message() == f"memory://data: the data folder holds no suite, got photos, x.txt. {expected}"
    memory("/data/quba-data.yaml", MANIFEST)
    assert message() == (
        "memory://data/quba-data.yaml:3: classes: memory://data/lists/classes.txt: there is no such file."
    )
    memory("/data/lists/classes.txt", "a\na\n")
    assert message() == "memory://data/lists/classes.txt:2: 'a' is listed twice, first in line 1."
    memory("/data/lists/classes.txt", "a\nb\n")
    assert message() == (
        "memory://data/quba-data.yaml: none of its sets exists: the set 'clean' is missing: looked for "
        "memory://data/val, the set 'corruptions' is missing: looked for memory://data/c and 11 more. "
        "Correct the paths, or name another folder."
    )
    memory("/data/quba-data.yaml", "schema: 1\n")
    assert message() == "memory://data/quba-data.yaml:1: the key 'name' is missing."


def test_the_published_layout_behind_a_url(memory: Callable[[str, str], None]) -> None:
    memory("/data/imagenet-r/n01443537/0.png", "")
    suite = open_suite("memory://data")
    assert (suite.name, suite.location) == ("imagenet", "memory://data")
    assert [view.set for view in suite.views()] == ["imagenet_r"]
    assert suite.missing(CLEAN) == ("the set 'clean' is missing: looked for memory://data/imagenet/val")
    with pytest.raises(SuiteError, match=r"without a quba-data\.yaml\.$"):
        suite.examples(suite.views()[0])

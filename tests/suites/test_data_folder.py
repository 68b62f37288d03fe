"""Suites behind a URL: the examples and images of the same folder on this machine."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("datasets")
pytest.importorskip("pyarrow")

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from support.s3 import S3Server
from support.suites import error_text, png, tree, write_tar

from quba_check.core.view import CLEAN, CORRUPTIONS, SAMPLED, SEVERITIES, View
from quba_check.suites import Suite, open_suite
from quba_check.suites.opening import find_suite

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


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of two classes in every kind of container; nothing may be written into it."""
    root = tmp_path_factory.mktemp("local")
    images = {
        f"{folder}/{name}/{k}.png": 40 * k for folder in ("val", "pool") for name in "ab" for k in (0, 1)
    }
    images |= {"cc/a1-b1.png": 7, "cc/b1-a1.png": 9, "cc/.hidden": 0, "unused.png": 1}
    for name, shade in images.items():
        tree(root, name, content=png(shade))
    for folder in ("lists", "shards", "stored", "c"):
        (root / folder).mkdir()
    (root / "lists/classes.txt").write_text("a\nb\n")
    (root / "lists/listed.csv").write_text("path,label\n../pool/b/1.png,b\n../pool/a/0.png,a\n")
    pq.write_table(pa.table({"path": ["../pool/a/1.png"], "label": ["a"]}), root / "lists/table.parquet")
    for k in (0, 1):
        cells = pa.table({"image": [png(k), png(k + 2)], "label": ["a", "b"]})
        pq.write_table(cells, root / f"stored/{k}.parquet")
        write_tar(root / f"shards/x-{k}.tar", {"s.png": png(50 + k), "s.cls": b"ab"[k : k + 1]})
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


@pytest.fixture(scope="module")
def local_url(local: Path, s3_of_session: S3Server) -> str:
    return s3_of_session.upload(local)


Open = Callable[..., Suite]


@pytest.fixture
def remote(local_url: str, tmp_path: Path, s3: S3Server) -> Open:
    """Opens the suite through its URL, or that of another bucket."""
    return lambda url=local_url: find_suite(url, tmp_path / "store")


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

    suite = remote()
    before = set[str]()
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
        suite.fetch(view)
        assert copied() == names, view
        suite.examples(view)
        assert copied() == names, view
        before |= copied()


def test_views_with_images_are_those_of_the_folder(local: Path, remote: Open) -> None:
    assert remote().views() == open_suite(local).views()


def test_missing_sets_are_named_by_the_url(local_url: str, remote: Open) -> None:
    suite = remote()
    url = local_url
    assert suite.location == suite.source == url
    reasons = {name: suite.missing(View(name)) for name in ("absent", "no_shards", "half", "other")}
    assert reasons == {
        "absent": f"the set 'absent' is missing: looked for {url}/lists/absent.csv",
        "no_shards": f"the set 'no_shards' is missing: looked for {url}/shards/y-*.tar",
        "half": f"the set 'half' is missing: looked for {url}/z.npy",
        "other": f"{url}/quba-data.yaml declares no set 'other'",
    }
    assert error_text(suite.examples, View("absent")) == (
        f"{url}: the set 'absent' is missing: looked for {url}/lists/absent.csv."
    )


def test_damaged_and_missing_images_are_named_by_the_url(
    local: Path, remote: Open, tmp_path: Path, s3: S3Server
) -> None:
    root = tmp_path / "data"
    shutil.copytree(local, root)
    (root / "val/a/0.png").write_bytes(b"no image")
    (root / "lists/listed.csv").write_text("path,label\n../pool/x.png,a\n")
    suite = remote(url := s3.upload(tree(root, "val/b/2.jpg.txt")))
    assert error_text(suite.image, suite.examples(CLEAN)[0]) == (
        f"{url}/val/a/0.png: cannot be decoded as an image (no image format recognises it). Replace "
        "or remove the file."
    )
    text = f"{url}/lists/listed.csv:2: there is no file {url}/lists/../pool/x.png."
    assert error_text(suite.examples, View("listed")) == text
    url = s3.upload(tree(root, "val/c/0.png"))
    text = f"{url}/val/c: unknown class folder 'c'. Allowed: a, b."
    assert error_text(remote(url).examples, CLEAN) == text


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def put(s3: S3Server, bucket: str) -> Callable[[str, str], None]:
    """Writes files of the bucket."""
    return lambda key, text: s3.client().put_object(
        Bucket=bucket.removeprefix("s3://"), Key=key, Body=text.encode()
    )


def test_errors_of_a_manifest_behind_a_url(
    bucket: str, put: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUBA_DATA", f"{bucket}/")

    def message() -> str:
        return error_text(find_suite, None, tmp_path)

    expected = (
        "Expected in it: quba-data.yaml, or the published layout (imagenet/val, imagenet-c, imagenet-r, "
        "modelvshuman, bg_challenge)."
    )
    assert message() == f"{bucket}: the data folder is empty. {expected} Name another folder."
    put("photos/a.png", "")
    put("x.txt", "")
    assert message() == f"{bucket}: the data folder holds no suite, got photos, x.txt. {expected}"
    put("quba-data.yaml", MANIFEST)
    assert message() == (
        f"{bucket}/quba-data.yaml:3: classes: {bucket}/lists/classes.txt: there is no such file."
    )
    put("lists/classes.txt", "a\nb\n")
    assert message() == (
        f"{bucket}/quba-data.yaml: none of its sets exists: the set 'clean' is missing: looked for "
        f"{bucket}/val, the set 'corruptions' is missing: looked for {bucket}/c and 11 more. "
        "Correct the paths, or name another folder."
    )


def test_the_published_layout_behind_a_url(bucket: str, put: Callable[[str, str], None]) -> None:
    put("imagenet-r/n01443537/0.png", "")
    suite = open_suite(bucket)
    assert (suite.name, suite.location) == ("imagenet", bucket)
    assert [view.set for view in suite.views()] == ["imagenet_r"]
    assert suite.missing(CLEAN) == (f"the set 'clean' is missing: looked for {bucket}/imagenet/val")
    assert error_text(suite.examples, suite.views()[0]).endswith("without a quba-data.yaml.")

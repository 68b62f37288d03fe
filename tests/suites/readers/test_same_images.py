"""Every way to keep a set gives the images and labels that folders do; made by the libraries people use."""

import gzip
import json
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("datasets")
pytest.importorskip("pyarrow")

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from support.suites import png, suite_of, tree, write_tar

from quba_check.core.view import CLEAN
from quba_check.suites import Example, Suite

FRUIT = ("apple", "kiwi", "pear")
LABELS = [0, 0, 1, 1, 2, 2]
PIXELS = np.random.default_rng(7).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]


def folders(root: Path) -> list[str]:
    names = [f"folders/{FRUIT[label]}/{number}.png" for number, label in enumerate(LABELS)]
    for name, image in zip(names, PIXELS, strict=True):
        tree(root, name, content=png(image))
    return names


def as_folders(root: Path) -> str:
    folders(root)
    return "{reader: folder, path: folders}"


def as_csv(root: Path) -> str:
    rows = "".join(f"{n},{k}\n" for n, k in zip(folders(root), LABELS, strict=True))
    (root / "x.csv").write_text("path,label\n" + rows)
    return "{reader: csv, path: x.csv}"


def as_parquet_list(root: Path) -> str:
    table = pa.table({"path": folders(root), "label": [FRUIT[k] for k in LABELS]})
    pq.write_table(table, root / "x.parquet")
    return "{reader: parquet, path: x.parquet}"


def as_parquet_images(root: Path) -> str:
    table = pa.table({"img": [png(image) for image in PIXELS], "fine": LABELS})
    pq.write_table(table.slice(0, 4), root / "part-0.parquet", row_group_size=3)
    pq.write_table(table.slice(4), root / "part-1.parquet")
    return '{reader: parquet, path: "part-*.parquet", image: img, label: fine}'


def saved(order: list[str]) -> datasets.Dataset:
    """A dataset whose list of classes is in another order."""
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=order), id=datasets.Value("int64")
    )
    rows = {
        "image": [Image.fromarray(image) for image in PIXELS],
        "label": [order.index(FRUIT[k]) for k in LABELS],
        "id": list(range(6)),
    }
    return datasets.Dataset.from_dict(rows, features=features)


def as_hf(root: Path) -> str:
    saved(["kiwi", "plum", "apple", "pear"]).save_to_disk(root / "saved", num_shards=2)
    return "{reader: hf, path: saved}"


def as_hf_parquet(root: Path) -> str:
    saved(["pear", "kiwi", "apple"]).to_parquet(root / "x.parquet")
    return "{reader: parquet, path: x.parquet}"


def as_webdataset(root: Path) -> str:
    for shard in range(2):
        files = {}
        for number in range(3 * shard, 3 * shard + 3):
            files[f"val/{number:04}.png"] = png(PIXELS[number])
            files[f"val/{number:04}.cls"] = f"{LABELS[number]}\n".encode()
            files[f"val/{number:04}.txt"] = b"a caption"
        write_tar(root / f"val-{shard:02}.tar", files)
    return '{reader: webdataset, path: "val-{00..01}.tar"}'


def as_webdataset_json(root: Path) -> str:
    (root / "val").mkdir()
    for shard, numbers in ("a", range(3)), ("b", range(3, 6)):
        files = {}
        for number in numbers:
            label = FRUIT[LABELS[number]] if shard == "a" else LABELS[number]
            files[f"{number}.json"] = json.dumps({"label": label, "width": 7}).encode()
            files[f"{number}.PNG"] = png(PIXELS[number])
        write_tar(root / f"val/{shard}.tar", files)
    return "{reader: webdataset, path: val}"


def as_npz(root: Path) -> str:
    np.savez(root / "x.npz", images=PIXELS, labels=np.array(LABELS))
    return "{reader: arrays, path: x.npz}"


def as_packed_npz(root: Path) -> str:
    np.savez_compressed(root / "x.npz", test_images=PIXELS, test_labels=np.array(LABELS, np.uint8)[:, None])
    return "{reader: arrays, path: x.npz, images: test_images, labels: test_labels}"


def as_npy(root: Path) -> str:
    np.save(root / "x.npy", PIXELS)
    np.save(root / "y.npy", np.array([FRUIT[k] for k in LABELS]))
    return "{reader: arrays, images: x.npy, labels: y.npy}"


WAYS: list[Callable[[Path], str]] = [
    as_csv,
    as_parquet_list,
    as_parquet_images,
    as_hf,
    as_hf_parquet,
    as_webdataset,
    as_webdataset_json,
    as_npz,
    as_packed_npz,
    as_npy,
]


def clean_suite(root: Path, clean: str) -> Suite:
    return suite_of(root, f"sets:\n  clean: {clean}", "[apple, kiwi, pear]")


def content(suite: Suite) -> tuple[list[int], NDArray[np.uint8]]:
    examples = suite.examples(CLEAN)
    assert [example.index for example in examples] == list(range(len(examples)))
    return [example.label for example in examples], np.stack([np.asarray(suite.image(e)) for e in examples])


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


@pytest.mark.parametrize("way", [as_folders, *WAYS])
def test_images_and_labels_are_those_of_the_folders(tmp_path: Path, way: Callable[[Path], str]) -> None:
    labels, pixels = content(clean_suite(tmp_path, way(tmp_path)))
    assert labels == LABELS
    assert np.array_equal(pixels, PIXELS)


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_grey_images_of_idx_files_become_rgb(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(pack(idx(GREY)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(pack(idx(np.array(LABELS, np.uint8))))
    clean = "{reader: arrays, images: t10k-images-idx3-ubyte, labels: t10k-labels-idx1-ubyte}"
    labels, pixels = content(clean_suite(tmp_path, clean))
    assert labels == LABELS
    assert np.array_equal(pixels, np.repeat(GREY[..., None], 3, axis=3))


@pytest.mark.parametrize("way", WAYS)
def test_threads_read_the_same(tmp_path: Path, way: Callable[[Path], str]) -> None:
    suite = clean_suite(tmp_path, way(tmp_path))
    examples = suite.examples(CLEAN) * 8
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda example: np.asarray(suite.image(example)), examples))
    assert np.array_equal(np.stack(read), np.concatenate([PIXELS] * 8))


def test_listing_opens_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    for way in WAYS:
        root = tmp_path / way.__name__
        root.mkdir()
        clean = way(root)
        with monkeypatch.context() as patch:
            patch.setattr(Image, "open", refuse)
            patch.setattr(Image, "fromarray", refuse)
            assert len(clean_suite(root, clean).examples(CLEAN)) == 6


def test_members_are_named_in_their_container(tmp_path: Path) -> None:
    def first(way: Callable[[Path], str]) -> tuple[Suite, Example]:
        root = tmp_path / way.__name__
        root.mkdir()
        suite = clean_suite(root, way(root))
        return suite, suite.examples(CLEAN)[4]

    labels = {}
    for way in (as_folders, as_webdataset, as_hf, as_parquet_images, as_npz, as_npy):
        suite, example = first(way)
        labels[way.__name__] = suite.label(example).removeprefix(f"{suite.root}/")
    assert labels == {
        "as_folders": "folders/pear/4.png",
        "as_webdataset": "val-01.tar[val/0004.png]",
        "as_hf": "saved/data-00001-of-00002.arrow[image/1]",
        "as_parquet_images": "part-1.parquet[img/0]",
        "as_npz": "x.npz[images/4]",
        "as_npy": "x.npy[4]",
    }

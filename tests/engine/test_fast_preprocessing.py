"""JPEG files are prepared by the faster code, everything else by Pillow and timm's transform."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.errors import error_text
from support.tiny import CLASSES, write_manifest

from quba_check.core.view import CLEAN, View
from quba_check.engine.preparer import Preparer
from quba_check.errors import SuiteError
from quba_check.evaluation import Evaluation
from quba_check.gate.record_rows import set_rows
from quba_check.models.preprocessing import fast
from quba_check.suites import contents

SKETCH = View("sketch")


def photo(seed: int, kind: str, mode: str = "RGB") -> bytes:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize((40, 30), Image.Resampling.BICUBIC).convert(mode).save(file, kind)
    return file.getvalue()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of JPEG files, PNG files, and JPEG files in a table; one clean image is in CMYK."""
    sets = "clean: {reader: folder, path: val}\nshifts:\n  sketch: {reader: folder, path: sketch}\n"
    write_manifest(tmp_path, sets + "  table: {reader: parquet, path: table.parquet}")
    for k, name in enumerate(CLASSES):
        for folder, kind, suffix in (("val", "JPEG", "JPG"), ("sketch", "PNG", "png")):
            (tmp_path / folder / name).mkdir(parents=True)
            for n in range(2):
                mode = "CMYK" if (folder, k, n) == ("val", 2, 1) else "RGB"
                path = tmp_path / folder / name / f"{n}.{suffix}"
                path.write_bytes(photo(10 * k + n, kind, mode))
    images = [photo(k, "JPEG") for k in range(len(CLASSES))]
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"image": images, "label": list(CLASSES)})
    parquet.write_table(table, tmp_path / "table.parquet")
    return tmp_path


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the images that each library decodes."""
    counts = {"torchvision": 0, "pillow": 0}
    decode = fast.decode_jpeg
    convert = Image.Image.convert

    def counted_decode(*args, **kwargs):
        pixels = decode(*args, **kwargs)
        counts["torchvision"] += 1
        return pixels

    def counted_convert(*args, **kwargs):
        counts["pillow"] += 1
        return convert(*args, **kwargs)

    monkeypatch.setattr(fast, "decode_jpeg", counted_decode)
    monkeypatch.setattr(Image.Image, "convert", counted_convert)
    return counts


def prepared(evaluation: Evaluation, view: View = CLEAN) -> torch.Tensor:
    prepare = Preparer(evaluation.suite, evaluation.classifier).of(view, crop=True)
    return torch.stack([prepare(example) for example in evaluation.suite.examples(view)])


@pytest.mark.parametrize(("exact", "counts"), [(False, (5, 1)), (True, (0, 6))])
def test_each_image_is_decoded_once_a_pass(evaluate, decoders: dict[str, int], exact: bool, counts) -> None:
    """Pillow decodes the CMYK file, and all files on the exact way."""
    evaluate(exact_preprocessing=exact).measure("accuracy")
    assert (decoders["torchvision"], decoders["pillow"]) == counts


@pytest.mark.parametrize(("name", "counts"), [("sketch", (0, 6)), ("table", (3, 0))])
def test_the_format_decides_about_the_decoder(name: str, counts, evaluate, decoders) -> None:
    prepared(evaluate(), View(name))
    assert (decoders["torchvision"], decoders["pillow"]) == counts


def test_a_truncated_file_is_decoded_again_for_its_error(evaluate, tmp_path: Path, decoders) -> None:
    path = tmp_path / "val/apple/1.JPG"
    path.write_bytes(path.read_bytes()[:-60])
    texts = [error_text(SuiteError, prepared, evaluate(exact_preprocessing=exact)) for exact in (False, True)]
    assert texts[0] == texts[1]
    assert texts[0].startswith(f"{path}: cannot be decoded as an image (image file is truncated")
    assert decoders == {"torchvision": 1, "pillow": 1 + 2}


def test_a_png_file_called_jpg_is_prepared_as_before(evaluate, tmp_path: Path, decoders) -> None:
    (tmp_path / "val/apple/0.JPG").write_bytes(photo(0, "PNG"))
    decoders["pillow"] = 0
    pixels = prepared(evaluate())[0]
    assert decoders == {"torchvision": 4, "pillow": 2}
    assert (pixels.int() - prepared(evaluate(exact_preprocessing=True))[0].int()).abs().max() <= 2


def test_exact_pixels_are_timms_and_fast_ones_close_to_them(evaluate) -> None:
    exact = evaluate(exact_preprocessing=True)
    transform = exact.classifier.preprocessing.transform(crop=True)
    expected = torch.stack([transform(exact.suite.image(example)) for example in exact.suite.examples(CLEAN)])
    assert torch.equal(prepared(exact), expected)
    assert (prepared(evaluate()).int() - expected.int()).abs().max() <= 2
    assert torch.equal(prepared(evaluate(), SKETCH), prepared(exact, SKETCH))


def test_the_way_is_in_the_cache_keys_of_sets_with_jpeg_files(evaluate) -> None:
    quick = evaluate().engine.cache_keys
    exact = evaluate(exact_preprocessing=True).engine.cache_keys
    assert quick.cache_entry(CLEAN) != exact.cache_entry(CLEAN)
    assert quick.cache_entry(View("table")) != exact.cache_entry(View("table"))
    assert quick.cache_entry(SKETCH) == exact.cache_entry(SKETCH)
    assert quick.model_settings == exact.model_settings
    assert "fast_preprocessing" not in exact._settings(CLEAN)


def test_the_names_of_a_mixed_set_are_in_its_key(evaluate, tmp_path: Path) -> None:
    path = tmp_path / "val/apple/0.JPG"
    key = evaluate().engine.cache_keys.shard_key(CLEAN, 0)
    content = evaluate().engine.contents.key(CLEAN)
    path = path.rename(path.with_suffix(".png"))
    mixed = evaluate().engine.cache_keys.shard_key(CLEAN, 0)
    path.rename(path.with_suffix(".bmp"))
    assert evaluate().engine.cache_keys.shard_key(CLEAN, 0) == mixed
    assert (mixed.cache_entry, mixed.content) != (key.cache_entry, key.content)
    assert evaluate().engine.contents.key(CLEAN) == content


def test_an_image_of_a_mixed_set_changes_the_key_of_its_shard_alone(
    evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SHARD_SIZE", 4)
    path = tmp_path / "val/apple/0.JPG"
    path.rename(path.with_suffix(".png"))
    before = evaluate().engine.cache_keys
    keys = before.shard_keys(CLEAN)
    files = before.files_key(CLEAN, 0)
    last = max((tmp_path / "val").glob("*/*"))
    last.rename(last.with_name("zz.png"))
    after = evaluate().engine.cache_keys
    assert [one == other for one, other in zip(keys, after.shard_keys(CLEAN), strict=True)] == [True, False]
    assert after.files_key(CLEAN, 0) == files


def test_the_way_is_in_the_record(evaluate) -> None:
    names = ["accuracy", "ood_robustness"]
    ways = {name: row.preprocessing for name, row in set_rows(evaluate(), names).items()}
    assert ways == {"clean": "fast", "sketch": "exact", "table": "fast"}
    rows = set_rows(evaluate(exact_preprocessing=True), names)
    assert {row.preprocessing for row in rows.values()} == {"exact"}


@pytest.mark.parametrize("exact", [False, True])
def test_answers_for_the_clean_images_equal_the_stored_ones(evaluate, exact: bool) -> None:
    quba = evaluate(exact_preprocessing=exact)
    stored = quba.engine.predictions([CLEAN])[CLEAN]
    pictures = [quba.suite.image(example) for example in quba.suite.examples(CLEAN)]
    np.testing.assert_array_equal(quba.answers(pictures).probabilities, stored.probabilities)

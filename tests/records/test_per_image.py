"""Per-image files."""

import io
import json
import os
import struct
import zipfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.errors import error_text, raising
from support.runs_compared import CLASSES, stored
from support.s3 import S3Server
from support.tuned import record

from quba_check.comparison.stored_run import stored_run
from quba_check.core.predictions import Predictions
from quba_check.errors import UserError
from quba_check.records.per_image import CleanAnswers, PerImage, decode, encode
from quba_check.records.record import Record
from quba_check.stats.estimate import Estimate, geometric_mean_of, mean_of
from quba_check.storage.opening import open_store

ONE_MB = 1_000_000
RECORD = 100_000
"""More than the record of all nine dimensions takes, with every limit of every part."""


def published_size() -> PerImage:
    """All nine dimensions on sets of the published sizes, with predictions as similar as those of models."""
    draw = np.random.default_rng(0)
    n = 50_000
    hard = draw.normal(size=n)

    def on_clean(level: float) -> Estimate:
        return Estimate.mean(hard + 0.6 * draw.normal(size=n) < level, "clean")

    clean = on_clean(0.95)
    fgsm = on_clean(-0.8)
    pgd = on_clean(-2)
    corrupted = {(c, s): on_clean(0.9 - 0.3 * s - 0.02 * c) / clean for c, s in product(range(15), range(5))}
    sizes = {"imagenet_r": 30_000, "sketch": 800, "stylized": 800, "edge": 160, "silhouette": 160}
    shifted = {name: Estimate.mean(draw.random(size) < 0.5, name) for name, size in sizes.items()}
    attacked = [fgsm / clean, pgd / clean]
    estimates = [
        *(clean, on_clean(1.9), fgsm, pgd, *attacked, pgd / clean, geometric_mean_of(attacked)),
        *(mean_of(corrupted[c, s] for s in range(5)) for c in range(15)),
        *(mean_of(corrupted[c, s] for c in range(15)) for s in range(5)),
        *(mean_of(corrupted.values()), geometric_mean_of(share / clean for share in shifted.values())),
        *(one for share in shifted.values() for one in (share / clean, share, clean)),
        *(Estimate.mean(draw.standard_t(4, n), "clean") for _ in range(6)),
    ]
    found = {f"corruption_robustness.part_{k:02}": dict(one.influences) for k, one in enumerate(estimates)}
    label = np.repeat(np.arange(1000), 50)
    right = clean.influences["clean"] > 0
    places = draw.permutation(n).reshape(1000, 50)
    wnids = [f"n{number:08d}" for number in sorted(draw.choice(15_000_000, 1000, replace=False))]
    names = [
        f"imagenet/val/{wnid}/ILSVRC2012_val_{place + 1:08d}.JPEG"
        for wnid, row in zip(wnids, places, strict=True)
        for place in sorted(row)
    ]
    top1 = np.where(right, label, draw.integers(0, 1000, n))
    wrong = int(np.sum(top1 != label))
    confidence = 1 / (1 + np.exp(draw.normal(-0.3, 1.2, wrong)))
    loss = 0.7 + draw.gamma(2, 1.2, wrong)
    answers = CleanAnswers(names, label, top1, wnids, np.arange(n), confidence, loss)
    return PerImage(found, answers)  # type: ignore[arg-type]


def test_a_baseline_of_fifty_thousand_images_is_below_a_megabyte() -> None:
    found = published_size()
    content = found.to_bytes(record())
    assert len(content) + RECORD < ONE_MB
    back = PerImage.from_bytes(content, "a.npz", record())
    assert back.influences.keys() == found.influences.keys()
    for target, samples in found.influences.items():
        for sample, array in samples.items():
            assert back.influences[target][sample].std() == pytest.approx(array.std(), rel=0.01), target
    assert back.clean is not None
    assert found.clean is not None
    assert back.clean.names == found.clean.names
    assert np.array_equal(back.clean.predicted, found.clean.predicted)
    assert np.array_equal(back.clean.index, found.clean.index)  # type: ignore[arg-type]
    assert back.clean.confidence == pytest.approx(found.clean.confidence, abs=0.005)
    assert back.clean.loss == pytest.approx(found.clean.loss, rel=0.03)


def test_the_pieces_of_a_run_make_one() -> None:
    answers = stored("a.json", [0, 1, 2]).images
    assert answers is not None
    more = PerImage({"fog": {"clean": np.array([0.5, -0.5])}})
    whole = PerImage().merged(PerImage.from_bytes(more.to_bytes(), "x")).merged(answers)
    assert list(whole.influences) == ["fog", "accuracy"]
    assert whole.clean is not None
    assert tuple(whole.clean.classes) == CLASSES


def answers(n: int, wrong: int, names: list[str] | None = None) -> CleanAnswers:
    """Predictions on n images, with the first ones wrong."""
    draw = np.random.default_rng(0)
    label = np.arange(n) % 3
    top1 = np.where(np.arange(n) < wrong, (label + 1) % 3, label)
    loss = 0.7 + draw.gamma(2, 1.2, wrong)
    return CleanAnswers(
        names or [f"{k}.png" for k in range(n)],
        label,
        top1,
        CLASSES,
        np.arange(n) * 2,
        draw.random(wrong),
        loss,
    )


def reread(clean: CleanAnswers) -> CleanAnswers:
    back = PerImage.from_bytes(PerImage({}, clean).to_bytes(), "a.npz").clean
    assert back is not None
    return back


@pytest.mark.parametrize(("wrong", "exact"), [(0, True), (1, True), (2_000, True), (2_001, False)])
def test_probabilities_of_the_wrong_images(wrong: int, exact: bool) -> None:
    clean = answers(3_000, wrong)
    back = reread(clean)
    assert np.array_equal(back.index, clean.index)  # type: ignore[arg-type]
    assert back.confidence == pytest.approx(clean.confidence, abs=1e-6 if exact else 0.005)
    assert back.loss == pytest.approx(clean.loss, rel=1e-6 if exact else 0.03)


def test_outputs_are_the_predictions_and_probabilities_of_all_images() -> None:
    columns = np.arange(3), np.array([0, 1, 2]), np.array([0, 1, 1]), np.array([0.9, 0.8, 0.7], np.float32)
    table = Predictions(*columns, np.array([0.9, 0.8, 0.2], np.float32))
    other = replace(table, confidence=np.array([0.9, 0.5, 0.7], np.float32))
    clean, changed = (CleanAnswers.of(one, ["a", "b", "c"], CLASSES) for one in (table, other))
    assert reread(clean).outputs == clean.outputs == CleanAnswers.of(table, ["a", "b", "c"], CLASSES).outputs
    assert changed.outputs != clean.outputs


def test_names_of_files_that_are_no_text() -> None:
    names = ["two\nlines.png", "\udcff.png", "ü.png"]
    assert reread(answers(3, 0, names)).names == names


def test_a_file_of_an_earlier_version() -> None:
    earlier = CleanAnswers(["a.png"], np.array([0]), np.array([1]), CLASSES)
    back = reread(earlier)
    assert (back.index, back.confidence, back.loss) == (None, None, None)
    assert back.wrong.tolist() == [0]


NO_FILE = "a.npz: not a file of predictions per image. Allowed: the file that a run wrote next to its record."


def error(content: bytes, of: Record | None = None) -> str:
    return error_text(UserError, PerImage.from_bytes, content, "a.npz", of)


@pytest.mark.parametrize(
    "changed",
    [
        {"label": np.zeros(2, np.int32)},
        {"top1": np.full(3, 7, np.int32)},
        {"top1": np.full(3, -1, np.int32)},
        {"index": np.zeros(4, np.int32)},
        {"wrong_confidence": np.zeros(9, np.float32)},
        {"about": np.frombuffer(b'{"format": 1, "deviations": [], "classes": 3}', np.uint8)},
        {"about": np.frombuffer(b"[" * 100_000, np.uint8)},
        {
            "about": np.frombuffer(
                b'{"format": 1, "deviations": [{"target": "x", "sample": "y", "n": 1000000000000, "values": '
                b"[0, 1]}]}",
                np.uint8,
            ),
            "deviations/0": np.zeros(1, np.uint8),
        },
    ],
)
def test_columns_that_do_not_go_together(changed: dict[str, np.ndarray]) -> None:
    with np.load(io.BytesIO(PerImage({}, answers(3, 1)).to_bytes())) as file:
        arrays = {name: file[name] for name in file.files}
    content = io.BytesIO()
    np.savez(content, **{**arrays, **changed})
    assert error(content.getvalue()) == NO_FILE


def test_a_file_of_another_run() -> None:
    content = PerImage().to_bytes(record(protocol="released"))
    assert error(content, record()) == (
        "a.npz: it belongs to another run than the record next to it. Allowed: the two files of one run, "
        "or the record alone."
    )
    later = answers_file({"format": 2})
    assert error(later) == "a.npz: format 2 is newer than this version reads. Allowed: 1."


def answers_file(about: object, **arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    return file.getvalue()


def entry(head: bytes, packed: bytes = b"") -> bytes:
    """A zip file with one array and an arbitrary header."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("about.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + packed)
    return file.getvalue()


CODES = np.zeros(3, np.uint8)
NAMES = np.frombuffer(b"a\nb", np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 cut",
        b"no archive",
        PerImage({"fog": {"clean": np.arange(50.0)}}).to_bytes(record())[:200],
        entry(b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }\n", b"x"),
        entry(b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }\n"),
        entry(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"cos\nabort\n(tR."),
        entry(b"(" * 400),
        answers_file([]),
        answers_file({"format": "1"}),
        answers_file({"format": 1, "deviations": 5}),
        *(
            answers_file(
                {"format": 1, "deviations": [{"target": "fog", "sample": "clean", **about}]},
                **{"deviations/0": CODES},
            )
            for about in (
                {"n": 10**12, "values": [0.0]},
                {"n": 3, "values": []},
                {"n": 3, "values": [float("nan")]},
                {"n": 3, "low": 0.0, "step": 1e999},
                {"n": 3, "values": [0.0], "target": []},
            )
        ),
        *(
            answers_file({"format": 1, "deviations": [], "classes": ["x"]}, names=NAMES, **columns)
            for columns in (
                {"label": [0], "predicted": [0]},
                {"label": [0, 1], "predicted": [0, 0]},
                {"label": [0, 0], "predicted": [0, -1]},
            )
        ),
    ],
)
def test_a_damaged_file(content: bytes) -> None:
    assert error(content) == NO_FILE


def test_a_pipe_next_to_a_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    assert error_text(UserError, stored_run, tmp_path / "a.json", "a.json", record(), tmp_path) == (
        "a.npz: this is a pipe or a device, not a file. Allowed: a file that you may read, or the record "
        "alone."
    )


@pytest.mark.parametrize("time", ["/", "../..", "*", "", "["])
def test_a_record_whose_time_is_no_time(tmp_path: Path, time: str) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x.npz").touch()
    row = record()
    odd = row.model_copy(update={"environment": row.environment.model_copy(update={"time": time})})
    assert stored_run(tmp_path / "a.json", "a.json", odd, tmp_path).images is None


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.npz").touch()
    monkeypatch.setattr(Path, "open", raising(PermissionError(13, "Permission denied")))
    text = error_text(UserError, stored_run, tmp_path / "a.json", "a.json", record(), tmp_path)
    assert text.startswith("a.npz: cannot be read (Permission denied). ")


def test_the_places_of_per_image_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    """Next to the record first, then next to its copy in the store, never of another run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.json"
    store = tmp_path / "store"
    (store / "runs").mkdir(parents=True)
    kept = store / "runs" / f"{record().stem}-1.npz"

    def found() -> list[str] | None:
        run = stored_run(path, "a.json", record(), store)
        return None if run.images is None else list(run.images.influences)

    assert found() is None
    kept.write_bytes(PerImage().to_bytes(record(suite={"name": "x", "root": "", "fingerprint": "2"})))
    assert found() is None
    kept.write_bytes(PerImage({"stored": {"clean": np.zeros(1)}}).to_bytes(record()))
    assert found() == ["stored"]
    shared = open_store(url := f"{s3.new_bucket()}/store")
    shared.objects.set(f"runs/{record().stem}-1.json", b"{}")
    shared.objects.set(f"runs/{record().stem}-1.npz", kept.read_bytes())
    assert stored_run(path, "a.json", record(), url).images is not None
    path.with_suffix(".npz").write_bytes(PerImage({"next to it": {"clean": np.zeros(1)}}).to_bytes(record()))
    assert found() == ["next to it"]


@settings(max_examples=30)
@given(st.lists(st.sampled_from([-0.3, 0.0, 0.1, 0.7]), min_size=1, max_size=60))
def test_few_values_come_back_as_they_were(values: list[float]) -> None:
    kept = encode(np.array(values))
    assert decode(*kept).tolist() == values
    assert kept[0].nbytes == ((len(values) + 7) // 8 if len(set(values)) <= 2 else len(values))


def test_many_values_keep_their_spread() -> None:
    values = np.random.default_rng(0).standard_t(4, 20_000)
    values -= values.mean()
    kept = encode(values)
    back = decode(*kept)
    assert kept[0].nbytes == 20_000
    assert abs(back.std() / values.std() - 1) < 0.005
    assert abs(back.mean()) < 1e-12


def test_sums_in_another_order_are_one_value() -> None:
    values = np.array([0.1 + 0.2, 0.3, -0.6, 0.3])
    assert len(encode(values)[1]["values"]) == 2

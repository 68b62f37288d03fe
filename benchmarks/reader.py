"""Rows on reading: JPEG file to prepared image, against the DataLoader of the released code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from timm.data import create_transform, resolve_data_config
from torchvision.datasets import ImageFolder

from benchmarks.machine import by_torchvision, copying, decoding, decoding_times, entropy_only, other_decoders
from benchmarks.material import INPUT_SIDE, random_model
from benchmarks.measuring import Ratio, cpu_of, run
from benchmarks.released import READING
from benchmarks.row import Row
from benchmarks.work import MOBILENET, PHOTOS, Work
from quba_check.core.view import CLEAN
from quba_check.engine.preparer import Preparer
from quba_check.storage.store import SHARD_SIZE
from quba_check.suites.contents import shard_of
from quba_check.suites.suite import Example

BATCH = 32
WORKERS = 2
PAIRS = 3
KEPT_BYTES = 10**9
LEAST_COLD = 3.5
LEAST_KEPT = 12.0


def rows(work: Work) -> list[Row]:
    """Return the rows on cold reading and on prepared images that are kept."""
    other = released_reading(work, work.released) if work.released else restated_reading(work)
    whose = "" if work.released else "its calls restated (ImageFolder, timm, DataLoader); "
    results = []
    for exact in (False, True):
        cold, kept = our_reading(work, exact=exact)
        how = "exact preprocessing" if exact else "default preprocessing"
        sides = (("cold", cold, LEAST_COLD), ("prepared images kept", kept, LEAST_KEPT))
        for what, spent, least in sides:
            title = f"reader, {what}, {how}"
            if spent is None:
                results.append(Row.unmeasured(title, "this version keeps no prepared images", f"≥ {least:g}"))
                continue
            ratio = Ratio.of(list(zip(spent, other, strict=True)))
            details = (
                f"{1e3 * ratio.ours:.2f} against {1e3 * ratio.other:.2f} ms an image; {whose}"
                f"{_limit(what, ratio.ours)}"
            )
            results.append(Row.of_ratio(title, ratio, details, None if exact else least))
            if what == "cold" and not exact:
                results.append(decoder_row(ratio))
    return results


def decoder_row(cold: Ratio) -> Row:
    """Return the row of the reader with the quickest decoder in place of its own, all else unchanged.

    Args:
        cold: the ratio of the reader with its own decoder.
    """
    decoders = {"torchvision": by_torchvision, **other_decoders(), "the Huffman code alone": entropy_only}
    times = dict(zip(decoders, decoding_times(list(decoders.values())), strict=True))
    ratios = {name: cold.other / (cold.ours - times["torchvision"] + time) for name, time in times.items()}
    details = "; ".join(f"{name} {1e3 * time:.2f} ms, {ratios[name]:.2f}" for name, time in times.items())
    complete = {name: ratio for name, ratio in ratios.items() if name != "the Huffman code alone"}
    best = max(complete, key=lambda name: complete[name])
    return Row(
        "bound: reader with the quickest decoder that is installed", f"{complete[best]:.2f} ({best})", details
    )


def _limit(what: str, spent: float) -> str:
    """Return the share of a reader's time that the machine needs at least."""
    if what == "cold":
        least = decoding(by_torchvision)
        work = "decoding alone"
    else:
        least = 3 * INPUT_SIDE**2 / copying()
        work = "copying the pixels once"
    return f"{work} takes {1e3 * least:.2f} ms, {100 * least / spent:.0f} %"


def our_reading(work: Work, *, exact: bool) -> tuple[list[float], list[float] | None]:
    """Return CPU seconds per image of several cold passes, and of passes over kept images."""
    classifier = work.classifier(MOBILENET, work.photos, exact=exact)
    examples = work.photos.examples(CLEAN)
    preparer = Preparer(work.photos, classifier)
    cold = [cpu_of(lambda: _read(preparer, examples)) / PHOTOS for _ in range(PAIRS + 1)][1:]
    if find_spec("quba_check.storage.image_cache") is None:
        return cold, None
    from quba_check.storage.image_cache import ImageCache

    cache = ImageCache(work.new_folder(), KEPT_BYTES)
    keeping = Preparer(work.photos, classifier, cache)
    kept = [cpu_of(lambda: _read_shards(keeping, examples)) / PHOTOS for _ in range(PAIRS + 1)][1:]
    return cold, kept


def _read(preparer: Preparer, examples: Sequence[Example]) -> None:
    """Read all photos, in batches of uint8 as they are sent to the device."""
    prepare = preparer.of(CLEAN, crop=True)
    for start in range(0, len(examples), BATCH):
        _stacked([prepare(example) for example in examples[start : start + BATCH]])


def _read_shards(preparer: Preparer, examples: Sequence[Example]) -> None:
    """Read the same by shards, whose images are kept by the first pass."""
    for number in range(-(-len(examples) // SHARD_SIZE)):
        shard = shard_of(examples, number)
        images = preparer.shard(CLEAN, str(number), shard, crop=True)
        for start in range(0, len(shard), BATCH):
            images.images(slice(start, min(start + BATCH, len(shard))))
        images.close()


def _stacked(images: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return a batch of images as the engine sends it to the device, with the channels last."""
    return torch.stack([image.permute(1, 2, 0) for image in images]).permute(0, 3, 1, 2)


def released_reading(work: Work, checkout: Path) -> list[float]:
    """Return CPU seconds per image of several passes over the released code's loader."""
    places = (checkout, work.photos.root, work.checkpoint(MOBILENET))
    arguments = ["-m", "benchmarks.released", *map(str, places), READING]
    answer = json.loads(run(arguments, work.new_folder()).output)
    return [seconds / PHOTOS for seconds in answer["reading"]][1:]


def restated_reading(work: Work) -> list[float]:
    """Return the same for the same calls of torchvision, timm and torch."""
    transform = create_transform(**resolve_data_config({}, model=random_model(MOBILENET)))
    dataset = ImageFolder(work.photos.root / "val", transform)
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    return [cpu_of(lambda: read_all(loader)) / PHOTOS for _ in range(PAIRS + 1)][1:]


def read_all(loader: Iterable[object]) -> None:
    """Read every batch of a loader."""
    for _ in loader:
        pass

"""The nine values on a data folder in the published layout, from their definitions, one loop after the other.

Meant to be read beside the definitions and to share nothing with the code that it checks: files are found by
their names, images prepared with torchvision, attacks written out, and all numbers are sums in plain loops.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from math import floor, prod
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from ruamel.yaml import YAML
from support.slow_attacks import attack
from timm.data import ImageNetInfo
from torch import nn
from torchvision import transforms

BINS = 15
BATCH = 20
CATEGORY_SETS = ("sketch", "stylized", "edge", "silhouette")
SHIFTS = ("imagenet_r", *CATEGORY_SETS)


@dataclass(frozen=True)
class Photo:
    """An image with its label, or its two cues."""

    path: Path
    label: int
    texture: int = -1


class SlowValues:
    """Values by `dimension` and `dimension.part`, and images by dimension, under one protocol.

    Args:
        standard: values under `standard`, given for those under `released`, which has the same clean images.
    """

    def __init__(
        self, root: Path, network: nn.Module, *, seed: int, standard: SlowValues | None = None
    ) -> None:
        self._root = root
        self._network = network.eval()
        self._released = standard is not None
        self._seed = seed
        config = network.quba_config
        self._mean, self._std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
        side = config["input_size"][-1]
        bicubic = transforms.InterpolationMode.BICUBIC
        self._resize_and_crop = transforms.Compose(
            [
                transforms.Resize(floor(side / config["crop_pct"]), bicubic),
                transforms.CenterCrop(side),
                transforms.ToTensor(),
            ]
        )
        self._fit = transforms.Compose([transforms.Resize((side, side), bicubic), transforms.ToTensor()])
        self.values: dict[str, float] = {}
        self.images: dict[str, int | None] = {}
        if standard is None:
            self._measure_clean()
        else:
            for name in ("accuracy", "calibration_error", "class_balance"):
                self.images[name] = standard.images[name]
                self.values |= {key: v for key, v in standard.values.items() if key.startswith(name)}
            self.clean = standard.clean
            self._accuracy = standard._accuracy
            self._clean_answers = standard._clean_answers
            self._clean_right = standard._clean_right
        self._measure_attacked()
        self._measure_corrupted()
        self._measure_shifted()
        self._measure_backgrounds()
        self._measure_cues()
        self._measure_parameters()

    # Images and answers

    def pixels(self, photo: Photo, *, prepared: bool) -> torch.Tensor:
        image = Image.open(photo.path).convert("RGB")
        return (self._fit if prepared and not self._released else self._resize_and_crop)(image)

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels - self._mean) / self._std

    def _answers(self, photos: Sequence[Photo], *, prepared: bool) -> list[tuple[list[float], list[float]]]:
        """Logits and probabilities of each image."""
        answers = []
        for batch in _batches(photos):
            pixels = torch.stack([self.pixels(photo, prepared=prepared) for photo in batch])
            with torch.no_grad():
                logits = self._network(self.normalised(pixels))
            answers += zip(logits.tolist(), logits.softmax(dim=1).tolist(), strict=True)
        return answers

    def _folders(self, folder: str, names: Sequence[str]) -> list[Photo]:
        paths = sorted((self._root / folder).glob("*/*"))
        return [Photo(path, names.index(path.parent.name)) for path in paths]

    # Label spaces

    @cached_property
    def _wnids(self) -> list[str]:
        return ImageNetInfo("imagenet-1k").label_names()

    @cached_property
    def _renditions(self) -> list[int]:
        """The 200 classes of ImageNet-R."""
        text = (files("timm.data") / "_info" / "imagenet_r_indices.txt").read_text()
        return [int(word) for word in text.split()]

    @cached_property
    def _described(self) -> dict[str, dict[str, list[int]]]:
        """Class numbers by class of the two coarser spaces, in order."""
        text = (files("quba_check") / "suites" / "label_spaces.yaml").read_text(encoding="utf-8")
        return {
            space: {name: _numbers(str(numbers)) for name, numbers in described["classes"].items()}
            for space, described in YAML(typ="safe", pure=True).load(text).items()
            if space != "imagenet_r"
        }

    @property
    def _categories(self) -> dict[str, list[int]]:
        return self._described["imagenet_to_16"]

    def _category(self, probabilities: list[float], *, last: bool = False) -> int:
        means = [sum(probabilities[k] for k in group) / len(group) for group in self._categories.values()]
        best = [number for number, mean in enumerate(means) if mean == max(means)]
        return best[-1 if last else 0]

    def _rendition(self, logits: list[float]) -> int:
        return max(range(len(self._renditions)), key=lambda place: logits[self._renditions[place]])

    def _ninth(self, k: int) -> int:
        found = [n for n, group in enumerate(self._described["imagenet_to_in9"].values()) if k in group]
        return found[0] if found else -1

    # Dimensions

    def _measure_clean(self) -> None:
        self.clean = self._folders("imagenet/val", self._wnids)
        self._clean_answers = self._answers(self.clean, prepared=False)
        labels = [photo.label for photo in self.clean]
        tables = [probabilities for _, probabilities in self._clean_answers]
        self._clean_right = [
            _argmax(logits) == label for (logits, _), label in zip(self._clean_answers, labels, strict=True)
        ]
        self._accuracy = _share(self._clean_right)
        ranked = [sorted(range(len(p)), key=p.__getitem__, reverse=True) for p in tables]
        top = {
            f"top{k}": _share([label in order[:k] for label, order in zip(labels, ranked, strict=True)])
            for k in (3, 5, 10)
            if k < len(self._wnids)
        }
        self._put("accuracy", self._accuracy, len(labels), **top)

        ece = _expected_calibration_error([max(p) for p in tables], self._clean_right)
        ace = statistics.fmean(
            _calibration_error_of_class([p[k] for p in tables], [label == k for label in labels])
            for k in range(len(self._wnids))
        )
        nll = statistics.fmean(-math.log(p[label]) for p, label in zip(tables, labels, strict=True))
        brier = statistics.fmean(
            sum((p[k] - (k == label)) ** 2 for k in range(len(p)))
            for p, label in zip(tables, labels, strict=True)
        )
        parts = {"ece": ece, "ace": ace, "nll": nll, "brier": brier}
        self._put("calibration_error", (ece * ace) ** 0.5, len(labels), **parts)

        right, confidences = ([[] for _ in self._wnids] for _ in range(2))
        for label, p, hit in zip(labels, tables, self._clean_right, strict=True):
            right[label].append(hit)
            confidences[label].append(p[label])
        accuracy = 1 - statistics.stdev(map(_share, right))
        confidence = 1 - statistics.fmean(map(statistics.pstdev, confidences))
        self._put(
            "class_balance",
            (accuracy * confidence) ** 0.5,
            len(labels),
            accuracy=accuracy,
            confidence=confidence,
            between_class_confidence=1 - statistics.stdev(map(statistics.fmean, confidences)),
        )

    def _measure_attacked(self) -> None:
        pixels = (self.pixels(photo, prepared=False) for photo in self.clean)
        self.attacked = attack(
            self._network if self._released else lambda points: self._network(self.normalised(points)),
            list(map(self.normalised, pixels) if self._released else pixels),
            [photo.label for photo in self.clean],
            seed=self._seed,
        )
        rows = zip(self._clean_right, self.attacked.fgsm_right, self.attacked.always_right, strict=True)
        fgsm = _share(self.attacked.fgsm_right)
        pgd = _share(self.attacked.pgd_right)
        self._put(
            "adversarial_robustness",
            (fgsm * pgd) ** 0.5 / self._accuracy,
            2 * len(self.clean),
            fgsm=fgsm / self._accuracy,
            pgd=pgd / self._accuracy,
            fgsm_accuracy=fgsm,
            pgd_accuracy=pgd,
            worst_case=_share([all(row) for row in rows]) / self._accuracy,
            zero_gradient=_share(self.attacked.flat),
        )

    def _measure_corrupted(self) -> None:
        relative: dict[tuple[str, str], float] = {}
        images = 0
        for folder in sorted((self._root / "imagenet-c").glob("*/*")):
            photos = self._folders(str(folder.relative_to(self._root)), self._wnids)
            right = [
                _argmax(logits) == photo.label
                for photo, (logits, _) in zip(photos, self._answers(photos, prepared=True), strict=True)
            ]
            relative[folder.parent.name, folder.name] = _share(right) / self._accuracy
            images += len(photos)
        corruptions = sorted({corruption for corruption, _ in relative})
        parts = {
            corruption: statistics.fmean(relative[corruption, severity] for severity in "12345")
            for corruption in corruptions
        }
        severities = {
            f"severity_{severity}": statistics.fmean(relative[name, severity] for name in corruptions)
            for severity in "12345"
        }
        value = statistics.fmean(parts.values())
        self._put("corruption_robustness", value, images, **parts, **severities)

    def _measure_shifted(self) -> None:
        names = list(self._categories)
        sets = {"imagenet_r": self._folders("imagenet-r", [self._wnids[k] for k in self._renditions])}
        for name in ("sketch", "stylized"):
            paths = sorted((self._root / "modelvshuman" / name / "dnn" / "session-1").glob("*.png"))
            sets[name] = [Photo(path, names.index(path.name.split("_")[4])) for path in paths]
        for name in ("edge", "silhouette"):
            sets[name] = self._folders(f"modelvshuman/{name}", names)
        parts = {}
        for name, photos in sets.items():
            is_rendition = name == "imagenet_r"

            def choice(answer: tuple[list[float], list[float]], is_rendition: bool = is_rendition) -> int:
                return self._rendition(answer[0]) if is_rendition else self._category(answer[1])

            answers = self._answers(photos, prepared=not is_rendition)
            right = [choice(answer) == photo.label for photo, answer in zip(photos, answers, strict=True)]
            groups = [[k] for k in self._renditions] if is_rendition else list(self._categories.values())
            present = {photo.label for photo in photos}
            label_of = {k: number for number in present for k in groups[number]}
            matched = [
                choice(answer) == label_of[photo.label]
                for photo, answer in zip(self.clean, self._clean_answers, strict=True)
                if photo.label in label_of
            ]
            parts[name] = _share(right) / self._accuracy
            parts[f"{name}_accuracy"] = _share(right)
            parts[f"{name}_matched"] = _share(matched)
        value = prod(parts[name] for name in SHIFTS) ** (1 / len(SHIFTS))
        self._put("ood_robustness", value, sum(map(len, sets.values())), **parts)

    def _measure_backgrounds(self) -> None:
        accuracy = {}
        images = 0
        for name in ("mixed_same", "mixed_rand"):
            paths = sorted((self._root / "bg_challenge" / name / "val").glob("*/*"))
            photos = [Photo(path, int(path.parent.name[:2])) for path in paths]
            answers = self._answers(photos, prepared=True)
            accuracy[name] = _share(
                [
                    self._ninth(_argmax(logits)) == photo.label
                    for photo, (logits, _) in zip(photos, answers, strict=True)
                ]
            )
            images += len(photos)
        value = 1 - (accuracy["mixed_same"] - accuracy["mixed_rand"]) / self._accuracy
        self._put("object_focus", value, images, **accuracy)

    def _measure_cues(self) -> None:
        photos = []
        for path in sorted((self._root / "modelvshuman" / "cue-conflict").glob("*/*.png")):
            shape, texture = (cue.rstrip("0123456789") for cue in path.stem.split("-"))
            if shape != texture:
                names = list(self._categories)
                photos.append(Photo(path, names.index(shape), names.index(texture)))
        answers = self._answers(photos, prepared=True)
        choices = [self._category(p, last=self._released) for _, p in answers]
        shape = sum(choice == photo.label for choice, photo in zip(choices, photos, strict=True))
        texture = sum(choice == photo.texture for choice, photo in zip(choices, photos, strict=True))
        self._put(
            "shape_bias",
            shape / (shape + texture),
            len(photos),
            shape_hits=shape,
            texture_hits=texture,
            either=(shape + texture) / len(photos),
        )

    def _measure_parameters(self) -> None:
        tensors = list(self._network.parameters())
        millions = sum(tensor.numel() for tensor in tensors) / 1e6
        trainable = sum(tensor.numel() for tensor in tensors if tensor.requires_grad) / 1e6
        if self._released:
            millions = round(millions, 1)
            trainable = round(trainable, 1)
        self._put("parameters", millions, None, trainable=trainable)

    def _put(self, dimension: str, value: float, images: int | None, **parts: float) -> None:
        self.values[dimension] = value
        self.images[dimension] = images
        self.values |= {f"{dimension}.{name}": part for name, part in parts.items()}


def _expected_calibration_error(confidences: list[float], right: list[bool]) -> float:
    gaps = [0.0] * (BINS + 1)
    edges = [float(np.float32(j / BINS)) for j in range(1, BINS + 1)]
    for confidence, hit in zip(confidences, right, strict=True):
        gaps[sum(confidence >= edge for edge in edges)] += hit - confidence
    return sum(map(abs, gaps)) / len(right)


def _calibration_error_of_class(probabilities: list[float], is_of_class: list[bool]) -> float:
    rows = sorted((p, y) for p, y in zip(probabilities, is_of_class, strict=True) if p > 0)
    n = len(rows)
    edges = [rows[min(round(j * n / BINS), n - 1)][0] for j in range(1, BINS)] if n else []
    gaps = [0.0] * BINS
    for p, y in rows:
        gaps[bisect_right(edges, p)] += y - p
    return sum(map(abs, gaps)) / n if n else 0.0


def _batches(photos: Sequence[Photo]) -> Iterator[Sequence[Photo]]:
    return (photos[start : start + BATCH] for start in range(0, len(photos), BATCH))


def _numbers(text: str) -> list[int]:
    """`7-9 12` as 7, 8, 9, 12."""
    numbers = []
    for word in text.split():
        first, *rest = map(int, word.split("-"))
        numbers += range(first, (rest or [first])[0] + 1)
    return numbers


def _argmax(row: list[float]) -> int:
    return row.index(max(row))


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)

"""Costs of the steps of a run, measured by rows of `python -m benchmarks`, or given."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from benchmarks.workload import Reading


def _cost(unit: str, text: str, row: str = "stages") -> float:
    """Declare a cost: its unit, its meaning, and the rows of `python -m benchmarks` that measure it."""
    value: float = field(metadata={"unit": unit, "text": text, "row": row})
    return value


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of the steps of a run. Those of reading are of one image on one core.

    No cost has a default: each is measured or given.
    """

    forward_ms: float = _cost(
        "ms", "forward pass of an image without gradients, the transfer to the device included"
    )
    attack_ratio: float = _cost("times", "a pass of an attack, in float32, relative to that forward pass")
    pgd_passes: float = _cost("passes", "passes of an image under PGD, at most 21", "pgd")
    file_ms: float = _cost("ms", "reading and preparing an image file on one core")
    prepared_ms: float = _cost("ms", "the same for a file at its final size, as in ImageNet-C")
    kept_ms: float = _cost("ms", "reading a prepared image from the store")
    generated_ms: float = _cost("ms", "generating a corruption, the mean over all 75")
    digest_us: float = _cost("µs", "checking that a file is still the one whose digest is known", "digests")
    file_kb: float = _cost("kB", "size of an image file")
    prepared_kb: float = _cost("kB", "size of a file at its final size")
    shard_ms: float = _cost(
        "ms", "the driver's time for a shard of 256 images", "stages (inline) or executors"
    )
    start_s: float = _cost("s", "a run that finds all predictions in the store, of few images")
    clean_bytes: float = _cost("bytes", "stored per image of the clean set")
    view_bytes: float = _cost("bytes", "stored per image of another view")

    def reading(self, origin: Reading) -> float:
        """Return the seconds of a core for an image."""
        times = {
            "file": self.file_ms,
            "prepared": self.prepared_ms,
            "kept": self.kept_ms,
            "generated": self.kept_ms + self.generated_ms,
        }
        return 1e-3 * times[origin]

    def start(self, files: int) -> float:
        """Return the seconds of a run without images to predict, whose sets have a number of files."""
        return self.start_s + 1e-6 * self.digest_us * files

    def file_bytes(self, origin: Reading) -> float:
        """Return the bytes of an image's file; 0 if no file is read."""
        return 1e3 * {"file": self.file_kb, "prepared": self.prepared_kb}.get(origin, 0.0)


COSTS = {cost.name: dict(cost.metadata) for cost in fields(Costs)}
"""Unit, text and row of each cost."""


def option_of(name: str) -> str:
    """Return the option of a cost: `--forward-ms` for `forward_ms`."""
    return f"--{name.replace('_', '-')}"

"""Which object stands before which background."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pairing:
    """Names of the images that two mixed pictures are made of.

    Attributes:
        foreground: gives the object, and the label.
        same: gives the background in mixed_same.
        rand: gives the background in mixed_rand.
    """

    foreground: str
    same: str
    rand: str


def drawn(seed: int, *what: str) -> int:
    """A number of 128 bits that depends on the seed and on what it is drawn for, and on nothing else."""
    text = "\0".join((str(seed), *what))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def pairings(classes: Mapping[str, Iterable[str]], seed: int) -> dict[str, list[Pairing]]:
    """Backgrounds for every object: one of its own class, and one of a random class.

    The random class is any, its own too, each as likely: the background then says nothing about the label.
    No object gets the background of its own image. Neither the order of classes and images nor that of draws
    matters.

    Args:
        classes: names of the images by class, two or more in each, every name once.
        seed: for the draws.

    Returns:
        By class, one for each image, in the order of their names.

    Source: Xiao et al. (ICLR 2021), table 1; their script may draw an object's own image, this does not.
    """
    pools = {name: sorted(images) for name, images in sorted(classes.items())}
    names = list(pools)

    def pairing(pool: Sequence[str], image: str) -> Pairing:
        other = pools[names[drawn(seed, "class", image) % len(names)]]
        return Pairing(
            image,
            same=_other(pool, image, drawn(seed, "same", image)),
            rand=_other(other, image, drawn(seed, "rand", image)),
        )

    return {name: [pairing(pool, image) for image in pool] for name, pool in pools.items()}


def _other(pool: Sequence[str], image: str, number: int) -> str:
    allowed = [name for name in pool if name != image]
    return allowed[number % len(allowed)]

"""A source of generated images, for tests of pictures."""

from collections.abc import Sequence

import numpy as np
from PIL import Image


class Images:
    """Images with the spectrum of natural ones, or noise, each determined by its name."""

    def __init__(self, side: int = 96, *, noise: bool = False) -> None:
        self.side = side
        self.noise = noise

    def labelled_names(self, set_name: str) -> Sequence[tuple[str, str, str]]:
        return []

    def open_image(self, set_name: str, name: str) -> Image.Image:
        rng = np.random.default_rng(list(name.encode()))
        pixels = rng.integers(0, 256, (self.side, self.side, 3), np.uint8)
        if not self.noise:  # natural images have an amplitude spectrum of about 1 / frequency
            x, y = np.meshgrid(np.fft.fftfreq(self.side), np.fft.fftfreq(self.side))
            spectrum = np.fft.fft2(pixels, axes=(0, 1)) / (np.hypot(x, y) + 0.01)[..., None]
            plain = np.real(np.fft.ifft2(spectrum, axes=(0, 1)))
            pixels = np.uint8(255 * (plain - plain.min()) / np.ptp(plain))
        return Image.fromarray(pixels)

"""Memory formats of convolution weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


class ConvolutionWeights:
    """The weights of a module's 2-D convolutions, in either memory format.

    Both formats stay in memory until `release`. The original tensors are put back when the plain format is
    used again: a converted copy could have other strides, with which torch may take other algorithms.

    Args:
        module: the module.

    Attributes:
        overlap: True for a convolutional network, where windows overlap. Those of a transformer's patches
            do not.
    """

    def __init__(self, module: nn.Module) -> None:
        parts = [part for part in module.modules() if isinstance(part, _CONVOLUTIONS)]
        weights = [part._parameters.get("weight") for part in parts]
        self.overlap = any(max(part.kernel_size) > max(part.stride) for part in parts)
        self._parameters = list({id(weight): weight for weight in weights if weight is not None}.values())
        self._formats: dict[bool, list[Tensor]] = {False: [weight.data for weight in self._parameters]}
        self._is_channels_last = False

    def use(self, *, channels_last: bool) -> None:
        """Give the module the weights of a memory format."""
        if channels_last not in self._formats:
            to = torch.channels_last if channels_last else torch.contiguous_format
            self._formats[channels_last] = [
                weight.data.contiguous(memory_format=to) for weight in self._parameters
            ]
        if channels_last != self._is_channels_last:
            for weight, values in zip(self._parameters, self._formats[channels_last], strict=True):
                weight.data = values
            self._is_channels_last = channels_last

    def release(self) -> None:
        """Free the memory of the format that is not used."""
        self._formats.pop(not self._is_channels_last, None)

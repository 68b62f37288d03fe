"""A random stream as the published corruption software draws it, for our functions.

It reads numpy's global legacy generator, and sometimes draws more than is needed, or one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class LegacyStream:
    """Stands in for a `numpy.random.Generator`; draws what imagecorruptions would, in its order.

    Args:
        seed: as given to `numpy.random.seed` before the other function is called.
        shape: (H, W) of the image; normal draws for a smaller plane are the middle of draws for all of it.
    """

    def __init__(self, seed: int, shape: tuple[int, int]) -> None:
        self._state = np.random.RandomState(seed)
        self._shape = shape
        self.uniform = self._state.uniform
        self.poisson = self._state.poisson

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> NDArray[np.float64]:
        if len(size) == 3:
            return self._state.normal(loc, scale, size)
        whole = self._state.normal(loc, scale, self._shape)
        top, left = ((full - part) // 2 for full, part in zip(self._shape, size, strict=True))
        return whole[top : top + size[0], left : left + size[1]]

    def standard_normal(self, size: Any) -> NDArray[np.float64]:
        return self.normal(size=size)

    def integers(self, low: int, high: int | None = None, size: Any = None, dtype: Any = None) -> Any:
        return self._state.randint(low, high, size)

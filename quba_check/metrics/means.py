"""Means of non-negative numbers."""

from __future__ import annotations

import statistics
from collections.abc import Iterable


def geometric_mean(values: Iterable[float]) -> float:
    r"""Geometric mean: the n-th root of the product of n values.

    ```math
    \left( \prod_{k=1}^{n} x_k \right)^{1/n}
    ```

    It is 0 if one value is 0: no other quality compensates for one that is missing altogether.

    Args:
        values: at least one, all ≥ 0.

    Returns:
        A number between the lowest and the highest value.

    Raises:
        ValueError: there is no value, or one is negative.

    Examples:
        >>> geometric_mean([0.25, 1.0])
        0.5
        >>> geometric_mean([0.0, 0.9])
        0.0
    """
    values = list(values)
    if not values or min(values) < 0:
        raise ValueError(f"geometric mean: of {values}. Allowed: one or more values >= 0.")
    if len(values) == 1:
        return values[0]  # exactly
    return 0.0 if 0 in values else statistics.geometric_mean(values)

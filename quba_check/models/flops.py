"""Floating-point operations of one image."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from quba_check.errors import ModelError, UnmeasurableError
from quba_check.messages import listed
from quba_check.models.classifier import Classifier
from quba_check.models.errors import quiet
from quba_check.models.identity.graphs import program_nodes

_TORCH = ("aten", "prim", "prims", "profiler")
"""Namespaces of torch's own operators, whose FLOPs are those of the products in them."""
_PRODUCTS = re.compile(
    r"mm|mv$|dot|(?<!bi)(?<!tri)linear(?!1d)|conv|attention|rnn|lstm|gru|transformer|cdist"
)
"""Parts of the names of operators that multiply matrices."""


class _UncountedOperators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A record of the operators whose FLOPs torch's counter takes for 0."""

    supports_higher_order_operators = True

    def __init__(self, registry: Collection[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.registry, self.names = registry, set[str]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "overloadpacket", func) not in self.registry and _may_count(func.name()):
            self.names.add(func.name().partition(".")[0])
        return func(*args, **(kwargs or {}))


def _may_count(operator: str) -> bool:
    """Return True for an operator of another library, or of torch's that multiplies matrices.

    >>> [_may_count(name) for name in ("aten::mkldnn_rnn_layer", "aten::upsample_bilinear2d", "mine::scan")]
    [True, False, True]
    """
    namespace, _, name = operator.partition("::")
    return namespace not in _TORCH or _PRODUCTS.search(name) is not None


def count_flops(classifier: Classifier) -> int:
    """Return the FLOPs of one image at the model's input size.

    They are twice the multiplications with an addition (MACs). One grey image passes the model. Products of
    matrices, convolutions and attention count, as in published tables; activations and norms do not.

    Args:
        classifier: the model; neither its state nor the state of random numbers changes.

    Raises:
        UnmeasurableError: the model runs operators that torch cannot count, or none that it counts.

    Source:
        torch.utils.flop_counter
    """
    from torch.utils.flop_counter import FlopCounterMode, flop_registry  # imports Triton if installed

    image = torch.zeros(1, *classifier.preprocessing.input_size, device=classifier.device)
    uncounted = _UncountedOperators(flop_registry)
    counter = FlopCounterMode(display=False)
    devices = [classifier.device] if classifier.device.type == "cuda" else []
    try:
        with quiet(), torch.no_grad(), torch.random.fork_rng(devices), _plain_attention(), uncounted, counter:
            classifier.raw(image, exact=True, is_checked=False)
    except (ModelError, torch.OutOfMemoryError) as error:
        raise UnmeasurableError(f"torch cannot count its FLOPs: {error}") from error
    for part in classifier.module.modules():  # programs can run operators past torch's dispatcher
        kinds = (node.kind() for node in program_nodes(part))
        uncounted.names.update(kind for kind in kinds if not kind.startswith("aten::") and _may_count(kind))
    if uncounted.names:
        raise UnmeasurableError(f"torch cannot count the FLOPs of {listed(sorted(uncounted.names), 3)}")
    if not counter.get_total_flops():
        raise UnmeasurableError("torch counts no FLOPs in it: the model runs outside of torch")
    # An exported program fills a smaller batch up.
    return counter.get_total_flops() // int(getattr(classifier.module, "least", 1))


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Compute attention by products of matrices.

    torch does not count its fused operators of the CPU.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)

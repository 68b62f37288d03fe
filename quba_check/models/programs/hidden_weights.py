"""Weights outside of a module's parameters: packed by quantisation, or in plain attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from quba_check.models.fingerprint import named_tensors, unusual_form
from quba_check.models.loaded_module import is_weight, memory_key, stored_bytes
from quba_check.models.programs.torchscript_graph import program_nodes, program_values

NONE = "the model has no parameters or weights that can be counted"
DYNAMIC = "quantized.dynamic"
"""Part of the names of torch's modules that scale their inputs by the values of the whole batch."""

_REGISTERED = ("_modules", "_parameters", "_buffers")


@dataclass(frozen=True, slots=True)
class HiddenWeights:
    """Weights outside of a module's parameters.

    Attributes:
        tensors: dense tensors by name, for the fingerprint.
        count: number of their elements, and of those of 8-bit buffers.
        uncounted: reason why the weights cannot be counted; empty if they can.
        size: bytes of parameters, buffers and these tensors, quantised ones before their conversion.
    """

    tensors: Mapping[str, Tensor]
    count: int
    uncounted: str
    size: int = 0


def hidden_weights(module: nn.Module) -> HiddenWeights:
    """Return the weights of a module outside of its parameters.

    These are weights that torch's quantised modules packed, tensors and modules in plain attributes, also in
    lists and dicts, and constants of TorchScript programs. Buffers of 8-bit integers count too, since
    quantisers keep weights there; other buffers, such as running statistics, do not.

    Args:
        module: the module as loaded.
    """
    dense = [tensor for tensor in named_tensors(module).values() if not unusual_form(tensor)]
    known = {memory_key(tensor) for tensor in dense}
    tensors: dict[tuple[object, ...], tuple[str, Tensor]] = {}
    uncounted = ""
    for name, value in _values("", module, {}):
        form = unusual_form(value) if isinstance(value, Tensor) else "packed"
        if form not in ("", "quantised"):
            uncounted = uncounted or f"its '{name}' is {form}, so its weights cannot be counted"
        elif isinstance(value, Tensor) and is_weight(value) and memory_key(value) not in known:
            tensors.setdefault(memory_key(value), (name, value))
    small = (buffer for buffer in module.buffers() if not buffer.is_floating_point() and is_weight(buffer))
    count = sum(value.numel() for _, value in tensors.values()) + sum(buffer.numel() for buffer in small)
    if not count and not uncounted and not any(parameter.numel() for parameter in module.parameters()):
        uncounted = NONE
    by_name = {name: value.dequantize() if value.is_quantized else value for name, value in tensors.values()}
    size = stored_bytes([*dense, *(value for _, value in tensors.values())])
    return HiddenWeights(by_name, count, uncounted, size)


def packed_tensors(values: Sequence[object]) -> tuple[list[Tensor], str]:
    """Return the tensors in packed weights, and the reason if some cannot be counted.

    Args:
        values: values of a program, such as packed weights.
    """
    objects = [value for value in values if isinstance(value, torch.ScriptObject)]
    contents = [value for _, value in _values("", objects, {})]
    tensors = [value for value in contents if isinstance(value, Tensor)]
    is_known = len(tensors) == len(contents)
    return tensors, "" if is_known else "the program holds packed weights that cannot be counted"


def depends_on_batch(module: nn.Module) -> bool:
    """Return True if a module is quantised dynamically, with one scale for a batch."""
    return any(
        any(node.kind().endswith("_dynamic") for node in program_nodes(part))
        if isinstance(part, torch.jit.ScriptModule)
        else DYNAMIC in type(part).__module__
        for part in module.modules()
    )


def _values(name: str, value: object, seen: dict[int, object]) -> Iterator[tuple[str, object]]:
    """Yield tensors, and packed weights that cannot be unpacked, with their names; except buffers."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, torch.ScriptObject):
        unpacked = _unpacked(value)
        yield from [(name, value)] if unpacked is None else _values(name, unpacked, seen)
    elif isinstance(value, (nn.Module, Mapping, list, tuple)) and id(value) not in seen:
        seen[id(value)] = value  # kept, since Python uses the id of a freed value again
        for key, part in _parts(value):
            yield from _values(f"{name}.{key}" if name else str(key), part, seen)


def _parts(value: nn.Module | Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> list[tuple[object, object]]:
    """Return the named parts of a module or container."""
    if isinstance(value, torch.jit.ScriptModule):
        # The values of a program include those of its parts.
        return [item for item in enumerate(program_values(value)) if not isinstance(item[1], nn.Module)]
    if isinstance(value, nn.Module):
        attributes = [(name, part) for name, part in vars(value).items() if name not in _REGISTERED]
        return [*value._modules.items(), *value._parameters.items(), *attributes]
    return list(value.items()) if isinstance(value, Mapping) else list(enumerate(value))


def _unpacked(packed: Any) -> object:
    """Return the content of packed weights; None if it cannot be unpacked."""
    for method in ("unpack", "__getstate__"):
        if packed._has_method(method):
            return cast(object, getattr(packed, method)())
    return None

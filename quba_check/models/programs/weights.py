"""Weights of modules and programs of torch: parameters, constants, plain attributes, packed weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.models.identity.graphs import program_nodes, program_values
from quba_check.models.identity.state import named_tensors, unusual_form
from quba_check.models.loaded_module import Weights

NONE = "the model has no parameters or weights that can be counted"
DYNAMIC = "quantized.dynamic"
"""Part of the names of torch's modules that scale their inputs by the values of the whole batch."""
_REGISTERED = ("_modules", "_parameters", "_buffers")


def hidden_weights(module: nn.Module, *, spec: str) -> Weights:
    """Return the weights of a module, with those outside of its parameters.

    The latter are weights that torch's quantised modules packed, tensors and modules in plain attributes,
    also in lists and dicts, and constants of TorchScript programs. Buffers of 8-bit integers count too, since
    quantisers keep weights there; other buffers, such as running statistics, do not.

    Args:
        module: the module as loaded.
        spec: the model's spec, for the note.
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
    parameters = sum(part.numel() for part in module.parameters() if not unusual_form(part))
    if not count and not uncounted and not parameters:
        uncounted = NONE
    by_name = {name: value.dequantize() if value.is_quantized else value for name, value in tensors.values()}
    size = stored_bytes([*dense, *(value for _, value in tensors.values())])
    note = f"parameters counts {count:,} numbers outside of {spec}'s parameters, too" if count else ""
    return Weights(parameters + count, size, uncounted, by_name, tuple(filter(None, (note, uncounted))))


def count_weights(
    module: nn.Module, values: Sequence[object], stored: Iterable[object], *, spec: str, unused: int = 0
) -> Weights:
    """Return the weights of a program, with a note on those outside its parameters.

    Args:
        module: the program; its parameters are counted once each.
        values: further values used by the program, such as constants and buffers: tensors, numbers, and lists
            and dicts of them. Integers wider than 8 bits are indices and do not count, nor do single numbers.
        stored: all values that its file holds.
        spec: the model's spec, for the note.
        unused: number of parameters that the program does not read.

    Raises:
        ModelError: it has no weights.
    """
    tensors, uncounted = tensors_in(values)
    own = {memory_key(parameter): parameter.numel() for parameter in module.parameters()}
    others = {memory_key(tensor): tensor.numel() for tensor in tensors if is_weight(tensor)}
    lists = (value for value in values if isinstance(value, (list, tuple)) and len(value) > 1)
    numbers = {tuple(value) for value in lists if all(isinstance(number, float) for number in value)}
    extra = sum(others[key] for key in others.keys() - own) + sum(map(len, numbers))
    total = sum(own.values()) + extra
    if not total:
        raise ModelError(
            "holds no weights that can be counted",
            where=spec,
            hint="Give the original model, by its file or package.module:callable.",
        )
    note = f"parameters counts {extra:,} numbers that {spec} holds as constants or buffers, too"
    if not own:
        note = f"{spec} is frozen: parameters counts the {total:,} numbers of its constants"
    return Weights(total - unused, stored_bytes(stored), uncounted, notes=(note,) if extra else ())


def tensors_in(values: Iterable[object]) -> tuple[list[Tensor], str]:
    """Return the tensors in a program's values, and the reason if some are not counted.

    Args:
        values: tensors, packed weights, and lists and dicts of them; others do not count.
    """
    values = [value for value in values if not isinstance(value, nn.Module)]
    contents = [value for _, value in _values("", values, {})]
    tensors = [value for value in contents if isinstance(value, Tensor)]
    is_known = len(tensors) == len(contents)
    return tensors, "" if is_known else "the program holds packed weights that cannot be counted"


def stored_bytes(values: Iterable[object]) -> int:
    """Return the bytes of tensors, of shared memory once.

    Args:
        values: see `tensors_in`.
    """
    tensors = {memory_key(tensor): tensor for tensor in tensors_in(values)[0]}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def is_weight(tensor: Tensor) -> bool:
    """Return True for several numbers of a type that weights have.

    Integers wider than 8 bits are taken for indices.
    """
    is_small_integer = tensor.dtype in (torch.int8, torch.uint8)
    is_number = is_small_integer or tensor.is_floating_point() or tensor.is_complex() or tensor.is_quantized
    return is_number and tensor.numel() > 1


def memory_key(tensor: Tensor) -> tuple[object, ...]:
    """Return a key that is equal for tensors of the same numbers, also transposed."""
    return tensor.data_ptr(), tensor.numel(), tensor.dtype


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

"""A simulated CUDA device that counts copies and waits, for machines without one.

Its tensors are on the CPU. Work is queued in one order, and only a wait shows the host that it has ended.
Contents that were copied without a wait are wrong until the host waits for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("cuda", 0)
_DEVICE_OF = torch.Tensor.device.__get__
_FETCHES = {
    "item",
    "tolist",
    "numpy",
    "__array__",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "nonzero",
}
"""Functions that return a value or a size to the host."""


class OnGpu(torch.Tensor):
    """A tensor of the simulated device."""


@dataclass(frozen=True)
class Wait:
    """A wait of the host.

    Attributes:
        cause: name of the function that waited.
        left: number of kernels that are queued and not finished after it; 0 for an idle device.
    """

    cause: str
    left: int


@dataclass
class Gpu(TorchFunctionMode):
    """The queue of the device, while the mode is active.

    Attributes:
        queued: number of kernels queued so far.
        finished: number of those that the host knows to have ended.
        waits: waits of the host.
        to_device: number of copies to the device.
        from_device: number of copies from the device.
        pending: copies from the device that may not have ended: place in the queue, target and contents.
    """

    queued: int = 0
    finished: int = 0
    waits: list[Wait] = field(default_factory=list)
    to_device: int = 0
    from_device: int = 0
    pending: list[tuple[int, torch.Tensor, torch.Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def reset(self) -> None:
        """Count from zero again."""
        self.waits = []
        self.to_device = 0
        self.from_device = 0

    def wait(self, cause: str, position: int | None = None) -> None:
        """Wait for the kernels queued up to a position, by default for all."""
        self.finished = max(self.finished, self.queued if position is None else position)
        self.waits.append(Wait(cause, self.queued - self.finished))
        for place, target, values in self.pending:
            if place <= self.finished:
                target.copy_(values)
        self.pending = [entry for entry in self.pending if entry[0] > self.finished]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = func.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        ours = [tensor for tensor in tensors if isinstance(tensor, OnGpu)]
        if func == _DEVICE_OF:
            return DEVICE if ours else func(*args)
        if name == "pin_memory":
            pinned = args[0].clone()
            pinned.is_page_locked = True
            return pinned
        if name in ("to", "cpu"):
            return self._moved(func, name, args, kwargs)
        if kwargs.get("device") == DEVICE:
            self._sent(is_waiting=name in ("tensor", "as_tensor"), cause=name)
            return func(*args, **kwargs | {"device": "cpu"}).as_subclass(OnGpu)
        if not ours:
            return func(*args, **kwargs)
        if any(tensor.ndim and not isinstance(tensor, OnGpu) for tensor in tensors):
            raise RuntimeError(f"{name}: expected all tensors on the same device")
        if name in _FETCHES:
            self.from_device += 1
            self.wait(name)
            return func(*(_on_cpu(arg) for arg in args), **kwargs)
        result = func(*args, **kwargs)
        storages = {tensor.untyped_storage().data_ptr() for tensor in map(_on_cpu, ours)}
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        is_view = all(_on_cpu(tensor).untyped_storage().data_ptr() in storages for tensor in made)
        if made and (not is_view or name.endswith("_")):
            self.queued += 1
        return result

    def _sent(self, *, is_waiting: bool, cause: str) -> None:
        self.to_device += 1
        if is_waiting:
            self.wait(cause)

    def _moved(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensor = args[0]
        is_async = kwargs.get("non_blocking", False)
        places = ["cpu"] if name == "cpu" else [*args[1:], kwargs.get("device")]
        place = next((torch.device(one) for one in places if isinstance(one, (str, torch.device))), None)
        if place is None or (place.type == "cuda") == isinstance(tensor, OnGpu):
            kept = [one for one in args[1:] if not isinstance(one, (str, torch.device))]
            return func(tensor, *kept, **kwargs) if place is None or kept else tensor
        if place.type == "cuda":
            is_page_locked = getattr(tensor, "is_page_locked", False)
            self._sent(is_waiting=not (is_async and is_page_locked), cause=name)
            return tensor.as_subclass(OnGpu)
        self.from_device += 1
        values = _on_cpu(tensor).detach().clone()
        if not is_async:
            self.wait(name)
            return values
        self.queued += 1
        target = torch.full_like(values, -1)
        self.pending.append((self.queued, target, values))
        return target


def _on_cpu(value: Any) -> Any:
    return value.as_subclass(torch.Tensor) if isinstance(value, OnGpu) else value


@contextlib.contextmanager
def simulated_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpu]:
    """Replace CUDA by a simulated device."""
    gpu = Gpu()

    class Event:
        position = 0

        def record(self, _stream: object = None) -> None:
            self.position = gpu.queued

        def synchronize(self) -> None:
            gpu.wait("event", self.position)

    class Stream:
        def __init__(self, _device: torch.device = DEVICE) -> None:
            pass

        def wait_stream(self, _other: Stream) -> None:
            pass

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: None)
    with gpu:
        yield gpu

"""ONNX models as torch modules that run in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.classifier import model_errors
from quba_check.models.loaded_module import LoadedModule, extra_needed, quiet
from quba_check.models.model_files import check_in_place
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs.exported import in_portions
from quba_check.models.programs.onnx_graph import OnnxGraph, read_graph
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

NO_GRADIENT = "an ONNX model gives no gradients, which FGSM and PGD need"
PARAMETERS = "parameters: elements of the weights in the ONNX graph, in which exporters fold layers together"

CUDA = "CUDAExecutionProvider"
_DTYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(double)": torch.float64}


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """The input of a graph that takes a batch of images.

    Attributes:
        name: its name in the graph.
        dtype: type of its numbers.
        batch: number of images if fixed; None takes any.
        size: (height, width) in pixels if fixed; None takes any.
    """

    name: str
    dtype: torch.dtype
    batch: int | None
    size: tuple[int, int] | None


class OnnxProgram(nn.Module):
    """An ONNX graph as a module without gradients.

    It maps float32 images (N, 3, H, W) to float32 outputs.

    A graph with a batch fixed to B gets B images at a time.

    Args:
        session: the loaded graph.
        takes: its input.
        answers: name of the output in use.
        graph: the content of the file; its digest is a buffer, so that it enters the fingerprint and the
            guard's checks like any tensor.
        runtime: name and version of onnxruntime; another version may round differently.
    """

    fingerprint_name: ClassVar[str] = "quba_check.models.onnx_program.OnnxProgram"
    contents: Tensor

    def __init__(self, session: Any, takes: OnnxInput, answers: str, graph: OnnxGraph, runtime: str) -> None:
        super().__init__()
        self.runtime = runtime
        self.answers = answers
        self.takes = takes
        self.register_buffer("contents", torch.tensor(list(graph.contents), dtype=torch.uint8))
        self._session = session
        self._external = graph.files[1:]  # onnxruntime maps these files into memory

    def forward(self, images: Tensor) -> Any:
        """Return the outputs of the graph for normalised images."""
        pixels = images.detach().to("cpu", self.takes.dtype)
        answers = in_portions(self._run, pixels, self.takes.batch or 1, self.takes.batch)
        return answers.to(images.device) if isinstance(answers, Tensor) else answers

    def _run(self, pixels: Tensor) -> Any:
        (answer,) = self._session.run([self.answers], {self.takes.name: pixels.numpy()})
        check_in_place(self._external)
        return torch.from_numpy(answer) if isinstance(answer, np.ndarray) else answer


def load_onnx(spec: ModelSpec, request: LoadRequest, device: torch.device) -> LoadedModule:
    """Load an ONNX file into onnxruntime.

    Of several outputs the one declared as (N, C) is used, else the first.

    Args:
        spec: the model, a file.
        request: the suite's number of classes, and the requested device and precision.
        device: where it should run. Without a working CUDA provider, `auto` falls back to the CPU.

    Raises:
        ModelError: the file cannot be used, its packages are not installed, its input takes no batch of
            images as (N, 3, H, W), or the device requested by name cannot run it.
    """
    graph = read_graph(spec.path, spec=spec.text)
    with extra_needed(f"{spec.text}: an ONNX model", "onnxruntime", extra="onnx"):
        import onnxruntime
    runtime = f"onnxruntime {onnxruntime.__version__}"
    with quiet(), model_errors(f"{spec.text}: {runtime} cannot load it:"):
        session = _session(spec, device)
    takes = _image_input(session.get_inputs(), spec.text)
    outputs = session.get_outputs()
    classes = request.expected_head.size
    tables = [out.name for out in outputs if len(out.shape) == 2 and out.shape[1] == classes]
    answers = next(iter(tables), outputs[0].name)
    module = OnnxProgram(session, takes, answers, graph, runtime)
    notes = [PARAMETERS]
    if len(outputs) > 1:
        notes.append(f"the output '{answers}' is used, of {listed(out.name for out in outputs)}")
    if takes.batch is not None:
        notes.append(f"its batch size is fixed to {takes.batch}: images are given in batches of that size")
    actual_device = device if CUDA in session.get_providers() else torch.device("cpu")
    if actual_device != device:
        if request.device != "auto":
            raise ModelError(
                f"{spec.text}: {runtime} cannot run it on {request.device}. "
                "Install onnxruntime-gpu for CUDA, or give --quba-device=cpu."
            )
        notes.append(f"{spec.text} runs on the CPU: {runtime} has no CUDA provider that works here")
    if request.precision not in ("auto", "fp32"):
        notes.append(f"{spec.text} computes in the precision of its file, not in {request.precision}")
    config = {"input_size": (3, *takes.size)} if takes.size else {}
    return LoadedModule(
        module,
        configs=(PreprocessingConfig(config, f"the input of {spec.text}"),),
        notes=tuple(notes),
        parameters=graph.parameters,
        device=actual_device,
        precision="fp32",
        no_gradient=NO_GRADIENT,
        files=graph.files,
        is_program=True,
        takes_single_images=graph.depends_on_batch,
        weight_bytes=graph.weight_bytes,
    )


def _session(spec: ModelSpec, device: torch.device) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Waiting threads would take the cores from the image loader.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors; they are raised as well
    # For deterministic results: float32 without TF32, and convolution algorithms chosen without timing them.
    exact = {"device_id": device.index or 0, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    providers = [(CUDA, exact)] if device.type == "cuda" else []
    return onnxruntime.InferenceSession(spec.path, options, providers=[*providers, "CPUExecutionProvider"])


def _image_input(inputs: Sequence[Any], spec: str) -> OnnxInput:
    described = ", ".join(f"'{entry.name}' of {entry.type} {tuple(entry.shape)}" for entry in inputs)
    # A graph without a declared shape has an empty one; running it shows which images it takes.
    shape = inputs[0].shape or [None] * 4 if len(inputs) == 1 else []
    fixed = [side if isinstance(side, int) else None for side in shape]
    if len(fixed) != 4 or fixed[1] not in (3, None) or inputs[0].type not in _DTYPES:
        raise ModelError(
            f"{spec}: the graph does not take a batch of images, got the input {described}. "
            "Allowed: one input of float numbers, shaped (images, 3, height, width)."
        )
    batch, _, height, width = fixed
    size = (height, width) if height is not None and width is not None else None
    return OnnxInput(inputs[0].name, _DTYPES[inputs[0].type], batch, size)

"""The kinds of models. Every pytest run imports it for the help of `--model`."""

from __future__ import annotations

from quba_check.demo import DEMO_MODELS
from quba_check.models.specs import CONFIG, OPEN_CLIP_PREFIX, ModelKind

_CHECKPOINTS = (".pt", ".pth", ".pth.tar", ".th", ".ckpt", ".bin", ".safetensors")
_OLD_PROGRAM = "serialized_exported_program.json"
"""Member of the archives that `torch.export.save` wrote before the present format."""

CHECKPOINT = ModelKind(
    "file",
    "checkpoints.build:load_checkpoint",
    f"a checkpoint file ({', '.join(_CHECKPOINTS)})",
    suffixes=_CHECKPOINTS,
    takes_architecture=True,
)
CALLABLE = ModelKind("callable", "programs.functions:load_callable", "package.module:callable")
KINDS = (
    ModelKind("demo", "checkpoints.demo_models:load_demo", ", ".join(DEMO_MODELS), names=DEMO_MODELS),
    CHECKPOINT,
    ModelKind(
        "torchscript",
        "programs.torch_programs:load_torchscript",
        "TorchScript (.torchscript)",
        suffixes=(".torchscript",),
        members=("/constants.pkl",),
    ),
    ModelKind(
        "exported",
        "programs.torch_programs:load_exported",
        "an exported program (.pt2)",
        suffixes=(".pt2",),
        members=("/archive_format", _OLD_PROGRAM),
    ),
    ModelKind(
        "onnx",
        "programs.onnx_runtime:load_onnx",
        "an ONNX file (.onnx)",
        suffixes=(".onnx",),
        takes_provider=True,
    ),
    ModelKind(
        "tflite", "programs.cpu_runtimes:load_tflite", "a TFLite file (.tflite)", suffixes=(".tflite",)
    ),
    ModelKind(
        "openvino", "programs.cpu_runtimes:load_openvino", "an OpenVINO file (.xml)", suffixes=(".xml",)
    ),
    ModelKind("keras", "programs.keras_models:load_keras", "a Keras file (.keras)", suffixes=(".keras",)),
    ModelKind("folder", "checkpoints.build:load_folder", f"a folder with {CONFIG}", marker=CONFIG),
    ModelKind("timm", "checkpoints.build:load_timm", "timm:NAME", prefixes=("timm:",)),
    ModelKind("hub", "checkpoints.build:load_hub", "hf:OWNER/NAME", prefixes=("hf-hub:", "hf:")),
    ModelKind(
        "open_clip",
        "zero_shot.loading:load_zero_shot",
        f"{OPEN_CLIP_PREFIX}NAME/WEIGHTS",
        prefixes=(OPEN_CLIP_PREFIX,),
        is_zero_shot=True,
    ),
    CALLABLE,
)
"""The kinds, in the order of help and messages."""
SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes)
ALLOWED = ", ".join(kind.help for kind in KINDS)

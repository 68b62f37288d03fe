"""Fingerprints, and digests of the files that a model was loaded from, by kind of model."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import save_file
from support.clip_files import write_folder
from support.hub_cache import snapshot
from support.loaded_models import TEN, load, message
from support.onnx_files import mean_of_colours
from timm.models import save_for_hf
from torch import nn

import quba_check.demo
from quba_check.models import loading
from quba_check.models.identity.state import named_tensors, state_digest
from quba_check.models.loaded_module import (
    CHANGED,
    LoadedModule,
    cached_weights,
    file_digests,
    fingerprint,
    model_files,
)
from quba_check.models.programs.runtime import ImageInput, RuntimeProgram
from quba_check.models.programs.torch_programs import ExportedNetwork
from quba_check.models.zero_shot.loading import ZeroShotClassifier

ARCH = "mobilenetv3_small_050"


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_of(spec, **options):
    return dict(load(spec, image_size=8, **options).files)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return timm.create_model(ARCH, num_classes=10)


def _checkpoint(folder, network):
    torch.save(network.state_dict(), folder / "net.pt")
    return folder / "net.pt", {"arch": ARCH}


def _with_config(folder, network):
    save_file(network.state_dict(), folder / "net.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": ARCH, "num_classes": 10}))
    return folder / "net.safetensors", {}


def _folder(folder, network):
    save_for_hf(network, folder, model_config={"num_classes": 10}, safe_serialization=True)
    return folder, {}


def _torchscript(folder, network):
    torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(192, 10))).save(folder / "net.pt")
    return folder / "net.pt", {}


def _exported(folder, network):
    example = torch.zeros(2, 3, 8, 8)
    program = torch.export.export(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)).eval(), (example,))
    torch.export.save(program, folder / "net.pt2")
    return folder / "net.pt2", {"trust_pickle": True}


def _onnx(folder, network):
    onnx = pytest.importorskip("onnx")
    path = mean_of_colours(folder / "net.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    return path, {"classes": TEN[:3]}


def _open_clip(folder, network):
    write_folder(folder)
    return f"open_clip:local-dir:{folder}", {"classes": TEN[:3]}


def _demo(folder, network):
    shutil.copy(Path(quba_check.demo.__file__).with_name("demo.safetensors"), folder)
    return "demo", {}


def _hub(folder, network):
    path = snapshot(folder, "owner/net")
    save_for_hf(network, path, model_config={"num_classes": 10}, safe_serialization=True)
    return "hf-hub:owner/net", {}


def _timm(folder, network):
    path = snapshot(folder, "timm/test_vit.r160_in1k")
    save_file(timm.create_model("test_vit").state_dict(), path / "model.safetensors")
    return "timm:test_vit.r160_in1k", {"classes": tuple(map(str, range(1000)))}


KINDS = {
    _checkpoint: ["net.pt"],
    _with_config: ["net.safetensors", "config.json"],
    _folder: ["model.safetensors", "config.json"],
    _torchscript: ["net.pt"],
    _exported: ["net.pt2"],
    _onnx: ["net.onnx", "net.data"],
    _open_clip: ["open_clip_model.safetensors", "open_clip_config.json"],
    _hub: ["model.safetensors", "config.json"],
    _timm: ["model.safetensors"],
}


@pytest.mark.parametrize(("write", "names"), [*KINDS.items(), (_demo, ["demo.safetensors"])])
def test_digests(cache, network, write, names):
    spec, options = write(cache, network)
    paths = {name: next(cache.rglob(name)) for name in names}
    assert files_of(spec, **options) == {name: sha(path) for name, path in paths.items()}


def test_a_config_that_names_the_same_or_nothing(tmp_path, network):
    path, _ = _with_config(tmp_path, network)
    assert list(files_of(path, arch=ARCH)) == ["net.safetensors", "config.json"]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    assert list(files_of(path, arch=ARCH)) == ["net.safetensors"]


def test_a_callable_has_none(zoo):
    assert files_of(zoo(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)))) == {}


def test_weights_by_address(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / "net-0123.pth"
    config = {"url": "https://example.org/a/net-0123.pth?download=1"}
    assert cached_weights(config) == ()
    path.parent.mkdir()
    path.touch()
    assert cached_weights(config) == (path,)
    assert cached_weights({**config, "file": str(tmp_path / "none.pth")}) == ()
    assert cached_weights({}) == ()


@pytest.mark.parametrize("is_put_back", [False, True], ids=["replaced", "replaced and put back"])
@pytest.mark.parametrize(("write", "name"), [(write, name) for write in KINDS for name in KINDS[write]])
def test_a_file_replaced_while_the_model_is_loaded(cache, network, monkeypatch, write, name, is_put_back):
    """Neither name, size nor time of change tells: the bytes or the identity of the file do."""
    spec, options = write(cache, network)
    (path,) = cache.rglob(name)
    original = loading._load_module

    def replaced(*arguments):
        loaded = original(*arguments)
        content = path.read_bytes()
        status = path.stat()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        if is_put_back:
            path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return loaded

    monkeypatch.setattr(loading, "_load_module", replaced)
    assert message(load, spec, **options) == CHANGED.format(path)


def test_external_weights_that_change_during_the_run(tmp_path, network):
    """onnxruntime reads them when it needs them, not when it loads the graph."""
    spec, options = _onnx(tmp_path, network)
    model = load(spec, image_size=8, **options)
    images = torch.zeros(2, *model.preprocessing.input_size)
    model.raw(images)
    path = tmp_path / "net.data"
    path.write_bytes(bytes(len(path.read_bytes())))
    assert message(model.raw, images) == CHANGED.format(path)


def test_downloaded_weights_are_loaded_again(cache, monkeypatch):
    """The digest is then taken before they are read."""
    states = [timm.create_model("test_vit").state_dict() for _ in range(2)]
    path = snapshot(cache, "timm/test_vit.r160_in1k") / "model.safetensors"
    create = timm.create_model
    calls = []

    def download(*arguments, **options):
        calls.append(arguments)
        if len(calls) > 1:
            return create(*arguments, **options)
        save_file(states[0], path)
        module = create(*arguments, **options)
        save_file(states[1], path)
        return module

    monkeypatch.setattr(timm, "create_model", download)
    model = load("timm:test_vit.r160_in1k", classes=tuple(map(str, range(1000))))
    assert dict(model.files) == {"model.safetensors": sha(path)}
    assert torch.equal(model.module.state_dict()["head.weight"], states[1]["head.weight"])
    assert len(calls) == 2


def test_names_are_relative_to_the_folder_of_the_first_file(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    paths = [tmp_path / "a" / "net.onnx", tmp_path / "a" / "b" / "net.data", tmp_path / "config.json"]
    for path in paths:
        path.write_bytes(b"abc")
    assert list(file_digests(model_files(*paths))) == ["net.onnx", "b/net.data", "config.json"]
    assert set(file_digests(model_files(*paths)).values()) == {hashlib.sha256(b"abc").hexdigest()}


def small_network(act=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), act())


def digest(module):
    return state_digest(named_tensors(module))


def test_fingerprint_is_of_structure_name_and_sources(tmp_path):
    source = tmp_path / "model.py"
    source.write_text("one")
    state = digest(small_network())
    elsewhere = tmp_path / "another.py"
    elsewhere.write_text("one")
    same = fingerprint(LoadedModule(small_network(), "a", sources=(source,)), state)
    assert same == fingerprint(LoadedModule(small_network(), "a", sources=(elsewhere,)), state)
    others = [
        fingerprint(LoadedModule(small_network(act=nn.GELU), "a", sources=(source,)), state),
        fingerprint(LoadedModule(small_network(), "b", sources=(source,)), state),
        fingerprint(LoadedModule(small_network(), "a", sources=(source,)), "other"),
        fingerprint(LoadedModule(small_network(), "a", sources=(tmp_path / "gone.py",)), state),
    ]
    source.write_text("two")
    others.append(fingerprint(LoadedModule(small_network(), "a", sources=(source,)), state))
    assert len({same, *others}) == 6


WRAPPERS = {
    "f7259dca398606945d073004c6f64d7f": ExportedNetwork(nn.Identity(), 1, 4),
    "7ac3fe7e6c6008be0fded176743a4989": RuntimeProgram(id, ImageInput(), b"x", "onnxruntime 1", "scores"),
    "56313bef713a542c5f910581cf7ac0e6": ZeroShotClassifier(
        SimpleNamespace(visual=nn.Identity(), logit_scale=torch.zeros(())),
        torch.zeros(1, 1),
        runtime="o 3",
        texts="d",
    ),
}


@pytest.mark.parametrize("expected", WRAPPERS)
def test_wrappers_have_the_fingerprints_of_version_0_1(expected):
    assert fingerprint(LoadedModule(WRAPPERS[expected], "x"), digest(WRAPPERS[expected])) == expected


def test_a_network_with_sources_has_the_fingerprint_of_version_0_1(tmp_path):
    module = nn.Linear(2, 2)
    source = tmp_path / "net.py"
    module.scales = [1, 2.5]
    for value, parameter in enumerate(module.parameters()):
        nn.init.constant_(parameter, value)
    source.write_text("one")
    loaded = LoadedModule(module, "arch", sources=(source,))
    assert fingerprint(loaded, digest(module)) == "c16ec14155bea36703b64ad938532fc6"


class Noted(nn.Module):
    def extra_repr(self):
        return repr(lambda: None)


def test_addresses_in_the_printed_form_do_not_count():
    first = Noted()
    second = Noted()
    keep = [object() for _ in range(100)]
    assert fingerprint(LoadedModule(first), "s") == fingerprint(LoadedModule(second), "s")
    assert keep


class Tempered(nn.Linear):
    def __init__(self, temperature, bounds=(0, 1)):
        torch.manual_seed(0)
        super().__init__(2, 2)
        self.temperature = temperature
        self.bounds = bounds
        self.training_notes = {"a mapping": "is no plain setting"}


def test_plain_settings_count_though_they_are_not_printed():
    modules = [Tempered(1.0), Tempered(2.0), Tempered(1.0, bounds=(0, 2)), Tempered(1.0)]
    prints = [fingerprint(LoadedModule(module), digest(module)) for module in modules]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3

"""Options are checked once; messages name the option."""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import OptionError
from quba_check.gate.options import OPTIONS, Options

BASE = Path("/data/run")


def test_defaults() -> None:
    assert Options.parse({"quba_model": ["demo"]}, BASE) == Options(models=("demo",))


GIVEN = {
    "data": ("images", BASE / "images"),
    "arch": ("resnet18", "resnet18"),
    "preprocessing": ("prep.yaml", BASE / "prep.yaml"),
    "protocol": ("released", "released"),
    "device": ("cuda:3", "cuda:3"),
    "precision": ("bf16", "bf16"),
    "runtime": ("openvino", "openvino"),
    "exact_preprocessing": (True, True),
    "batch_size": ("7", 7),
    "threads": ("0", 0),
    "seed": ("11", 11),
    "limit": ("500", 500),
    "store": ("/elsewhere", Path("/elsewhere")),
    "cache_gb": ("0.5", 0.5),
    "plan": (True, True),
    "record": ("out/r.json", BASE / "out" / "r.json"),
    "trust_pickle": (True, True),
}


def test_given_values() -> None:
    given = {f"quba_{name}": value for name, (value, _) in GIVEN.items()}
    options = Options.parse({"quba_model": ["a.pt", "b.pt"], "quba_thresholds": ["mobile"], **given}, BASE)
    checked = {name: value for name, (_, value) in GIVEN.items()}
    assert options == Options(models=("a.pt", "b.pt"), thresholds=("mobile",), **checked)


def test_a_data_folder_behind_a_url() -> None:
    options = Options.parse({"quba_data": "s3://bucket/data", "quba_cache_gb": "12.5"}, BASE)
    assert (options.data, options.cache_gb) == ("s3://bucket/data", 12.5)


def test_a_default_data_folder() -> None:
    given = {"quba_data": "images"}
    assert not Options.parse(given, BASE).data_is_default
    assert Options.parse(given, BASE, ["quba_data"]).data_is_default


def test_pictures_of_the_ini_file_need_no_page() -> None:
    given = {"quba_pictures": "5"}
    assert Options.parse(given, BASE, ["quba_pictures"]).pictures == 5
    assert Options.parse({**given, "quba_html": "r.html"}, BASE).pictures == 5


def test_auto_is_a_batch_size() -> None:
    assert Options.parse({"quba_batch_size": "auto"}, BASE).batch_size is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device", "gpu"),
        ("device", "cuda:²"),
        ("runtime", "onnx"),
        ("cache_gb", "all"),
        ("cache_gb", "nan"),
        ("precision", "fp8"),
        ("protocol", "standart"),
        ("batch_size", "many"),
        ("threads", "257"),
        ("limit", "9" * 16),
        ("limit", "²"),
        ("store", "~nobody-here/x"),
        ("baseline", "/dev/null"),
        ("record", "r.yaml"),
        ("pictures", "5"),
    ],
)
def test_values_that_are_not_allowed(key: str, value: str, snapshot: SnapshotAssertion) -> None:
    with pytest.raises(OptionError) as caught:
        Options.parse({f"quba_{key}": value}, BASE)
    assert str(caught.value) == snapshot


def test_every_option_has_help_and_a_name_of_its_own() -> None:
    assert all(option.help for option in OPTIONS)
    assert len({option.key for option in OPTIONS}) == len(OPTIONS)

"""Options are checked once; messages name the option."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.gate.options import OPTIONS, Options

BASE = Path("/data/run")

DEVICE_NAMES = (
    "auto, cpu, cuda, cuda:N, mps, tensorrt, openvino, rocm, migraphx, coreml, qnn, cann, xnnpack, directml"
)


def test_defaults() -> None:
    assert Options.parse({"model": ["demo"]}, BASE) == Options(models=("demo",))


def test_given_values() -> None:
    options = Options.parse(
        {
            "model": ["a.pt", "b.pt"],
            "quba_thresholds": ["mobile"],
            "quba_data": "images",
            "quba_arch": "resnet18",
            "quba_preprocessing": "prep.yaml",
            "quba_protocol": "released",
            "quba_device": "cuda:3",
            "quba_precision": "bf16",
            "quba_compile": "off",
            "quba_exact_preprocessing": True,
            "quba_batch_size": "7",
            "quba_workers": "0",
            "quba_seed": "11",
            "quba_limit": "500",
            "quba_store": "/elsewhere",
            "quba_cache_gb": "0.5",
            "quba_plan": True,
            "quba_report": "out/r.json",
            "quba_trust_pickle": True,
        },
        BASE,
    )
    assert options == Options(
        models=("a.pt", "b.pt"),
        thresholds=("mobile",),
        data=BASE / "images",
        preprocessing=BASE / "prep.yaml",
        protocol="released",
        arch="resnet18",
        device="cuda:3",
        precision="bf16",
        compile="off",
        exact_preprocessing=True,
        trust_pickle=True,
        batch_size=7,
        workers=0,
        seed=11,
        limit=500,
        store=Path("/elsewhere"),
        cache_gb=0.5,
        plan=True,
        report=BASE / "out" / "r.json",
    )


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
    ("key", "value", "text"),
    [
        ("quba_device", "gpu", f"--quba-device: got 'gpu'. Allowed: {DEVICE_NAMES}. Did you mean 'cpu'?"),
        ("quba_compile", "yes", "--quba-compile: got 'yes'. Allowed: on, off."),
        ("quba_cache_gb", "all", "--quba-cache-gb: got 'all'. Allowed: gigabytes from 0 to 1,000,000."),
        ("quba_cache_gb", "nan", "--quba-cache-gb: got 'nan'. Allowed: gigabytes from 0 to 1,000,000."),
        ("quba_precision", "fp8", "--quba-precision: got 'fp8'. Allowed: auto, fp32, bf16, fp16."),
        (
            "quba_protocol",
            "standart",
            "--quba-protocol: got 'standart'. Allowed: standard, released. Did you mean 'standard'?",
        ),
        (
            "quba_batch_size",
            "many",
            "--quba-batch-size: got 'many'. Allowed: auto, or a whole number from 1.",
        ),
        ("quba_workers", "257", "--quba-workers: got '257'. Allowed: a whole number from 0 to 256."),
        (
            "quba_limit",
            "9" * 16,
            f"--quba-limit: got '{'9' * 16}'. Allowed: a whole number from 1 to 999,999,999,999,999.",
        ),
        (
            "quba_store",
            "~nobody-here/x",
            "--quba-store: got '~nobody-here/x', but the home folder of '~nobody-here' is not known. "
            "Allowed: a path without ~, or with the name of a user of this machine.",
        ),
        (
            "quba_baseline",
            "/dev/null",
            "--quba-baseline: /dev/null is a pipe or a device. Allowed: a file or a folder.",
        ),
        ("quba_limit", "²", "--quba-limit: got '²'. Allowed: a whole number from 1."),
        (
            "quba_device",
            "cuda:²",
            f"--quba-device: got 'cuda:²'. Allowed: {DEVICE_NAMES}. Did you mean 'cuda:N'?",
        ),
        ("quba_report", "r.yaml", "--quba-report: got 'r.yaml'. Allowed: a file name that ends in .json."),
        (
            "quba_pictures",
            "5",
            "--quba-pictures: got 5 without --quba-html, the page that shows them. "
            "Add --quba-html FILE.html.",
        ),
        (
            "quba_executor_settings",
            "ray.yaml",
            "--quba-executor-settings: got ray.yaml without --quba-executor, which reads it. "
            "Add --quba-executor=ray.",
        ),
    ],
)
def test_values_that_are_not_allowed(key: str, value: str, text: str) -> None:
    with pytest.raises(OptionError) as caught:
        Options.parse({key: value}, BASE)
    assert str(caught.value) == text


def test_every_option_has_help_and_a_name_of_its_own() -> None:
    assert all(option.help for option in OPTIONS)
    assert len({option.key for option in OPTIONS}) == len(OPTIONS)

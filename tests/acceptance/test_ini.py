"""Settings that stand in an ini file instead of on the command line."""

from pathlib import Path

import pytest
from acceptance.runs import Judge, examined


@pytest.mark.usefixtures("without_stored_check")
def test_each_option_has_its_twin(judge: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUBA_DATA")
    monkeypatch.delenv("QUBA_STORE")
    judge.write("gates/own.yaml", "schema: 1\ndimensions: {accuracy: {min: 0.5}}\n")
    judge.write(
        "pytest.ini",
        f"""
[pytest]
quba_data = {tiny_data}
quba_store = store
quba_record = out/record.json
quba_protocol = released
quba_device = cpu
quba_precision = fp32
quba_batch_size = 2
quba_threads = 0
quba_seed = 5
quba_thresholds = gates/own.yaml mobile
""",
    )
    result = judge("-k", "accuracy")
    result.stderr.fnmatch_lines(
        "ERROR: --quba-protocol: got 'released', but quba_check/thresholds/mobile.yaml states protocol "
        "standard. *"
    )
    judge.write("pytest.ini", (judge.pytester.path / "pytest.ini").read_text().replace(" mobile", ""))
    result = judge()
    assert result.ret == pytest.ExitCode.OK
    record = judge.record("out/record.json")
    assert [row["id"] for row in record["verdicts"]] == ["gates/own.yaml::accuracy[min]"]
    environment = record["environment"]
    assert (record["protocol"], environment["seed"], environment["device"]) == ("released", 5, "cpu")
    # Another seed changes nothing in what accuracy needs.
    assert judge.passes() == {"forward": examined()}

"""Drops from a baseline, judged by workers."""

from __future__ import annotations

import json

import pytest
from acceptance.runs import HERE, Judge, same_findings

import quba_check

DROPS = "schema: 1\nuncertain: fail\ndimensions: {accuracy: {max_drop: 0.01, max_relative_drop: 2%}}\n"


@pytest.mark.slow
def test_workers_find_what_one_process_finds(judge: Judge) -> None:
    judge.write("drops.yaml", DROPS)
    quba_check.judge("nets:other", thresholds="drops.yaml", record="other.json")
    alone = quba_check.judge("nets:net", thresholds="drops.yaml", baseline="other.json")
    options = ("--quba-baseline=other.json", "--quba-report=record.json", "-n2", "-o", f"pythonpath={HERE}")
    assert judge("drops.yaml", *options).ret == 6
    assert set(judge.outcomes().values()) == {"uncertain"}
    assert same_findings(judge.record(), json.loads(alone.to_json()))

"""A run after a change that no key holds judges the model that runs, and its record states the generation."""

from acceptance.runs import Judge

MODEL = """\
from pathlib import Path

import torch
from torch import nn


class Shop(nn.Module):
    quba_config = {"input_size": (3, 8, 8), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3).repeat_interleave(4, dim=1))

    def forward(self, x):
        z = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1) @ self.weight.T
        return -z if Path("turned.txt").exists() else z
"""


def test_a_turned_model_is_judged_by_its_own_answers(judge_cold: Judge) -> None:
    judge_cold.write("shop.py", MODEL)
    judge_cold.write("thresholds/x.yaml", "schema: 1\ndimensions:\n  accuracy: {min: 0.5}\n")
    judge_cold.pytester.syspathinsert()

    def judged() -> tuple[int, int, float, list[str]]:
        result = judge_cold("thresholds/x.yaml", "--quba-record=record.json", model="shop:Shop")
        record = judge_cold.record()
        notes = [note for note in record["notes"] if "generation" in note]
        return (
            int(result.ret),
            record["model"]["generation"],
            record["measurements"]["accuracy"]["value"],
            notes,
        )

    first = judged()
    assert first[:2] == (0, 1)
    judge_cold.write("turned.txt", "")
    code, generation, accuracy, notes = judged()
    assert (code, generation) == (1, 2)
    assert accuracy < 0.5 <= first[2]
    assert len(notes) == 1
    assert notes[0].startswith("shop:Shop: the stored predictions of generation 1 are not used: ")
    (judge_cold.pytester.path / "turned.txt").unlink()
    assert judged() == first

"""The plan of a run as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.engine.work import PlannedView
from quba_check.gate.run_plan import ModelPlan, RunPlan
from quba_check.reports.plan import plan_lines, plan_table


def planned(view: View, missing: int, forward: int, backward: int = 0, **values: Any) -> PlannedView:
    each = PlannedView(view, str(view), False, 1000, missing, forward, backward, 40 * missing)
    return replace(each, **values)


CLEAN_WORK = planned(CLEAN, 0, 0)
FGSM_WORK = planned(FGSM, 1000, 2000, 1000)
PGD_WORK = planned(PGD, 1000, 11_000, 10_000)
FOG = [planned(View("corruptions", "fog", severity), 500, 500, is_generated=True) for severity in (1, 2, 3)]
RESNET = ModelPlan("resnet", "standard", "cpu", (CLEAN_WORK, FGSM_WORK, PGD_WORK, *FOG), 0)
VIT = ModelPlan("vit", "released", "cpu", (CLEAN_WORK,), 2)


def test_two_lines_before_a_run() -> None:
    assert plan_lines(RunPlan([RESNET], "photos"), 250) == [
        "plan: 6 views, 6,000 images (2,500 in the store), 140 kB to store",
        "at most 14,500 forward and 11,000 backward passes, about 4 min on cpu",
    ]


def test_lines_without_attacks_and_without_a_known_time() -> None:
    plan = RunPlan([replace(RESNET, views=(planned(CLEAN, 1000, 1000),))], "photos")
    assert plan_lines(plan, None) == [
        "plan: 1 view, 1,000 images, 40 kB to store",
        "1,000 forward passes, time on cpu not known yet",
    ]


def test_lines_of_a_run_that_predicts_nothing() -> None:
    stored = replace(RESNET, views=(CLEAN_WORK,))
    assert plan_lines(RunPlan([stored], "photos"), None) == [
        "plan: 1 view, 1,000 images",
        "all predictions are in the store",
    ]
    assert plan_lines(RunPlan([replace(RESNET, views=())], "photos"), None) == ["plan: nothing to predict"]


def test_the_table_of_two_models() -> None:
    table = plan_table(RunPlan([RESNET, VIT], "photos"))
    assert table.splitlines() == [
        "resnet on photos, protocol standard, cpu",
        "view                   images  from       in store  forward  backward  to store",
        "clean                   1,000  files         1,000        0         0   0 bytes",
        "clean+fgsm              1,000  files             0    2,000     1,000     40 kB",
        "clean+pgd               1,000  files             0   11,000    10,000     40 kB",
        "corruptions (3 views)   3,000  generated     1,500    1,500         0     60 kB",
        "total                   6,000                2,500   14,500    11,000    140 kB",
        "",
        "vit on photos, protocol released, cpu",
        "view   images  from   in store  forward  backward  to store",
        "clean   1,000  files     1,000        0         0   0 bytes",
        "2 views shared with the protocol above",
        "",
        "plan: 7 views, 7,000 images (3,500 in the store), 140 kB to store",
        "at most 14,500 forward and 11,000 backward passes, time on cpu not known yet",
        "PGD takes at most these passes: images that it fools leave early.",
        "Nothing was run, and no record was written.",
    ]

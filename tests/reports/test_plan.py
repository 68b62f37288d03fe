"""The plan of a run as text."""

from dataclasses import replace
from typing import Any

from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CLEAN, FGSM, PGD, View
from quba_check.core.work import PlannedView
from quba_check.gate.preflight import ModelPlan, RunPlan
from quba_check.reports.plan import plan_lines, plan_table, saving_line


def planned(view: View, missing: int, forward: int, backward: int = 0, **values: Any) -> PlannedView:
    each = PlannedView(view, str(view), False, 1000, missing, forward, backward, 40 * missing)
    return replace(each, **values)


CLEAN_WORK = planned(CLEAN, 0, 0)
FGSM_WORK = planned(FGSM, 1000, 2000, 1000)
PGD_WORK = planned(PGD, 1000, 11_000, 10_000)
FOG = [planned(View("corruptions", "fog", severity), 500, 500, is_generated=True) for severity in (1, 2, 3)]
RESNET = ModelPlan("resnet", "standard", "cpu", (CLEAN_WORK, FGSM_WORK, PGD_WORK, *FOG), 0, True)
VIT = ModelPlan("vit", "released", "cpu", (CLEAN_WORK,), 2)


ONE = RunPlan([RESNET], "photos")
TWO = RunPlan([RESNET, VIT], "photos")
WITHOUT_ATTACKS, STORED, NOTHING = (
    RunPlan([replace(RESNET, views=views)], "photos")
    for views in ((planned(CLEAN, 1000, 1000),), (CLEAN_WORK,), ())
)


def test_lines_before_a_run(snapshot: SnapshotAssertion) -> None:
    plans = (
        (ONE, 250),
        (ONE, 1000),
        (WITHOUT_ATTACKS, 400),
        (WITHOUT_ATTACKS, None),
        (STORED, None),
        (NOTHING, None),
    )
    assert "\n\n".join("\n".join(plan_lines(plan, seconds)) for plan, seconds in plans) == snapshot


def test_the_table_of_two_models(snapshot: SnapshotAssertion) -> None:
    assert plan_table(TWO, None) == snapshot


def test_the_table_of_a_long_run_states_how_to_shorten_it() -> None:
    *_, passes, shorter, _, _ = plan_table(ONE, 1000).splitlines()
    assert passes.endswith("about 17 min on cpu")
    assert shorter.startswith("to shorten it: no adversarial_robustness, --quba-limit 300")


def test_what_openvino_saves_of_a_long_run() -> None:
    # 1,500 of 25,500 passes are of unattacked images: of 17,000 s 1,000, and half of them.
    assert saving_line(ONE, 17_000) == "--quba-runtime openvino saves up to 8 min of such a run on this CPU"
    assert saving_line(ONE, 299) == ""
    other = RunPlan([replace(RESNET, may_run_openvino=False), VIT], "photos")
    assert saving_line(other, 17_000) == ""

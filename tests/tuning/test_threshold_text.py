from pathlib import Path

from tuned import thresholds

from quba_check.tuning.floors import Floor
from quba_check.tuning.threshold_text import difference, edited, written

FLOORS = {"accuracy": Floor(0.88, "0.900 in a.json"), "calibration_error": Floor(0.038, "0.0312 in a.json")}
MINE = """\
# what we promise
schema: 1
quba: {min_grade: C}
dimensions:
  # the first thing people ask
  accuracy: {min: 0.8, tier: warn}   # agreed in May
  corruption_robustness:
    min: 0.5
    parts:
      fog: {min: 0.4}
"""


def test_a_new_file():
    text = written(FLOORS, name="mine", protocol="standard")
    assert text == (
        "schema: 1\n"
        "name: mine\n"
        "protocol: standard\n"
        "dimensions:\n"
        "  accuracy: {min: 0.88}                       # tuned: 0.900 in a.json\n"
        "  calibration_error: {max: 0.038}             # tuned: 0.0312 in a.json\n"
    )
    assert [demand.limit for demand in thresholds(text.partition("\n")[2]).demands] == [0.88, 0.038]


def test_a_file_of_ones_own_keeps_comments_order_and_all_else():
    text = edited(MINE, FLOORS)
    assert text == MINE.replace("min: 0.8, tier: warn} ", "min: 0.88, tier: warn}") + (
        "  calibration_error: {max: 0.038}           # tuned: 0.0312 in a.json\n"
    )
    assert edited(text, FLOORS) == text


def test_what_was_written_here_is_written_anew():
    text = written(FLOORS, name="mine", protocol="standard").replace("\n  cal", "\n  # ours\n  cal")
    again = edited(text, {"accuracy": Floor(0.91, "0.930 in b.json"), "calibration_error": Floor(0.038, "x")})
    assert again == (
        "schema: 1\n"
        "name: mine\n"
        "protocol: standard\n"
        "dimensions:\n"
        "  accuracy: {min: 0.91}                       # tuned: 0.930 in b.json\n"
        "  # ours\n"
        "  calibration_error: {max: 0.038}             # tuned: x\n"
    )
    block = "dimensions:\n  accuracy:\n    min: 0.8   # tuned: 0.85 in a.json\n    tier: warn  # for now\n"
    assert edited(block, {"accuracy": FLOORS["accuracy"]}) == block.replace(
        "0.8   # tuned: 0.85 in", "0.88  # tuned: 0.900 in"
    )


def test_the_difference():
    assert difference(MINE, edited(MINE, {"accuracy": FLOORS["accuracy"]}), Path("x.yaml")) == (
        "--- x.yaml\n"
        "+++ x.yaml (tuned)\n"
        "@@ -5,3 +5,3 @@\n"
        "   # the first thing people ask\n"
        "-  accuracy: {min: 0.8, tier: warn}   # agreed in May\n"
        "+  accuracy: {min: 0.88, tier: warn}  # agreed in May\n"
        "   corruption_robustness:\n"
    )
    assert difference(MINE, MINE, Path("x.yaml")) == ""

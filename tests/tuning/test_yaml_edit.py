from pathlib import Path

import pytest
from support.errors import error_text
from support.gate import thresholds
from syrupy.assertion import SnapshotAssertion

from quba_check.demands.schema import VALUES
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import read_yaml
from quba_check.tuning.suggested_limits import SuggestedLimit
from quba_check.tuning.yaml_edit import edit_limits, new_threshold_file, unified_diff

ACCURACY = {"accuracy": SuggestedLimit(0.88, "0.900 in a.json")}
OF_SECTIONS = {name: SuggestedLimit(0.5, "E") for name in VALUES}
SUGGESTIONS = {**ACCURACY, "calibration_error": SuggestedLimit(0.038, "0.0312 in a.json")}
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
# to be continued
"""
TUNED = MINE.replace("min: 0.8, tier: warn}   #", "min: 0.88, tier: warn}  #")


@pytest.fixture
def edit(tmp_path: Path):
    def edit(text: str, suggestions=SUGGESTIONS, limits=None, *, add: bool = False):
        """Edit a file whose dimensions have one entry each, unless the limits have their locations."""
        path = tmp_path / "mine.yaml"
        path.write_bytes(text.encode())
        document = read_yaml(path, "mine.yaml", ThresholdError)
        if limits is None:
            entries = document.data.get("dimensions") or {}
            places = ((name, "min" if registry[name].better == "high" else "max") for name in suggestions)
            limits = {
                ("dimensions", name, bound): suggestions[name]
                for name, bound in places
                if (entries.get(name) or {}).get(bound) is not None
            }
        return edit_limits(document, suggestions, limits, add=add)

    return edit


def test_a_new_file(snapshot: SnapshotAssertion) -> None:
    zero = {"shape_bias": SuggestedLimit(0.0, "0.004 in a.json")}
    text = new_threshold_file(SUGGESTIONS | zero, name="mine", protocol="standard")
    assert text == snapshot
    assert [one.bound for one in thresholds(text.partition("\n")[2]).demands] == [0.88, 0.038, 0]


def test_a_value_with_a_section_of_its_own_stands_there(edit) -> None:
    mine = new_threshold_file(SUGGESTIONS | OF_SECTIONS, name="mine", protocol="standard")
    names = [demand.name for demand in thresholds(mine.partition("\n")[2]).demands]
    of_sections = ["classes.macro.recall[min]", "answers.aurc[max]", "parity.agreement[min]"]
    assert names == [*of_sections, "accuracy[min]", "calibration_error[max]"]
    alone = new_threshold_file(OF_SECTIONS, name="mine", protocol="standard")
    assert "dimensions" not in alone
    assert mine.startswith(alone)
    assert edit(alone, OF_SECTIONS, add=True).after == alone
    text = "parity: {pipeline: app, agreement: {min: 0.9}}\ndimensions:\n  accuracy: {min: 0.88}\n# end\n"
    added = edit(text, OF_SECTIONS | SUGGESTIONS, add=True).after
    assert added == text.replace(
        "# end",
        "  calibration_error: {max: 0.038}             # tuned: 0.0312 in a.json\n"
        "classes: {macro: {recall: {min: 0.5}}}        # tuned: E\n"
        "answers: {aurc: {max: 0.5}}                   # tuned: E\n# end",
    )


def test_only_limits_that_are_there_are_changed(edit) -> None:
    found = edit(MINE)
    assert (found.before, found.after) == (MINE, TUNED)
    assert (found.absent, found.unlimited) == (("calibration_error",), ())
    assert edit(found.after).after == found.after


def test_new_demands_stand_after_the_last_and_before_a_closing_comment(edit) -> None:
    text = edit(MINE, add=True).after
    new = "  calibration_error: {max: 0.038}             # tuned: 0.0312 in a.json\n"
    assert text == TUNED.replace("# to be", f"{new}# to be")
    assert edit(text, add=True).after == text
    limits = {demand.name: demand.bound for demand in thresholds(text.replace("schema: 1", "")).demands}
    assert (limits["accuracy[min]"], limits["calibration_error[max]"]) == (0.88, 0.038)


@pytest.mark.parametrize(
    "text",
    [
        "schema: 1\ndimensions:\n    accuracy:\n        min: 0.88\nquba: {min_grade: C}\n",
        "schema: 1\ndimensions:\n  accuracy: {min: 0.88}\n  shape_bias:   # dropped\nquba: {}",
        "schema: 1\nquba: {min_grade: C}",
        "dimensions: {accuracy: {min: 0.88}}\n",
        "dimensions:\nquba: {min_score: 0}\n",
        "{quba: {min_score: 0}}\n",
        "dimensions:\r\n  accuracy: {min: 0.88}\r\n",
    ],
)
def test_new_demands_are_indented_as_the_others(edit, text: str, snapshot: SnapshotAssertion) -> None:
    after = edit(text, add=True).after
    assert after.replace("\r", "") == snapshot
    assert after.count("\r") == (3 if "\r" in text else 0)
    assert edit(text).after == text


def test_what_is_dropped_stays_dropped_and_what_has_no_limit_gets_none(edit) -> None:
    text = "dimensions:\n  accuracy: null   # on purpose\n  calibration_error: {max_drop: 0.01}\n"
    found = edit(text, add=True)
    assert (found.after, found.absent, found.unlimited) == (text, (), ("calibration_error",))
    text = "dimensions:\n  accuracy: {min: null, max_drop: 0.1}\n"
    assert edit(text, ACCURACY, add=True).after == text


def test_line_breaks_quotes_and_comments_stay(edit) -> None:
    text = (
        "\ufeffdimensions:\r\n    # since May: ü\r\n    accuracy: {min: 0.85, tier: warn}\r\n\r\n"
        "    calibration_error:\r\n        tier: 'info'\r\n        max: 4e-2\r\n    #  end\r\n"
    )
    assert edit(text).after == text[1:].replace(
        "0.85, tier: warn}", "0.88, tier: warn}         # tuned: 0.900 in a.json"
    ).replace("4e-2", "0.038                            # tuned: 0.0312 in a.json")


def test_comments_of_an_earlier_edit_are_replaced(edit) -> None:
    text = new_threshold_file(SUGGESTIONS, name="mine", protocol="standard")
    text = text.replace("\n  cal", "\n  # ours\n  cal")
    others = {"accuracy": ("0.930 in b.json", 0.91), "calibration_error": ("x", 0.038)}
    again = edit(text, {name: SuggestedLimit(limit, reason) for name, (reason, limit) in others.items()})
    assert again.after == text.replace("0.88", "0.91").replace("0.900 in a.json", "0.930 in b.json").replace(
        "0.0312 in a.json", "x"
    )
    block = "dimensions:\n  accuracy:\n    min: 0.8   # tuned: 0.85 in a.json\n    tier: warn  # for now\n"
    assert edit(block, ACCURACY).after == block.replace("0.8   # tuned: 0.85 in", "0.88  # tuned: 0.900 in")


def test_entries_of_a_list_are_changed_alone(edit) -> None:
    text = """\
dimensions:
  accuracy:
    - {min: 0.8}
    - {set: night, min: 0.7}   # tuned: 0.71 in a.json
    # agreed in May
    - set: fog
      min: 0.6
      slices: {site: {worst: {min: 0.5}}}
classes: {cat: [{recall: {min: 0.7}}]}
"""
    accuracy = ("dimensions", "accuracy")
    limits = {
        (*accuracy, 0, "min"): SuggestedLimit(0.88, "A"),
        (*accuracy, 1, "min"): SuggestedLimit(0.77, "B"),
        (*accuracy, 2, "min"): SuggestedLimit(0.66, "C"),
        (*accuracy, 2, "slices", "site", "worst", "min"): SuggestedLimit(0.55, "D"),
        ("classes", "cat", 0, "recall", "min"): SuggestedLimit(0.9, "E"),
    }
    found = edit(text, limits=limits, add=True)
    assert (
        found.after
        == """\
dimensions:
  accuracy:
    - {min: 0.88}                             # tuned: A
    - {set: night, min: 0.77}  # tuned: B
    # agreed in May
    - set: fog
      min: 0.66                               # tuned: C
      slices: {site: {worst: {min: 0.55}}}
  calibration_error: {max: 0.038}             # tuned: 0.0312 in a.json
classes: {cat: [{recall: {min: 0.9}}]}
"""
    )
    assert (found.absent, found.unlimited) == (("calibration_error",), ())


@pytest.mark.parametrize(
    "text",
    [
        'dimensions: {accuracy: {min: 0.8}, ood_robustness: {parts: {"a # b": {min: 0}}}}\n',
        '{dimensions: {accuracy: {min: 0.8}}, name: "mine and ours"}\n',
    ],
)
def test_braces_have_no_place_for_an_origin(edit, text: str) -> None:
    assert edit(text, ACCURACY).after == text.replace("0.8}", "0.88}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "dimensions:\n  accuracy: &a {min: 0.9}\n  shape_bias: *a\n",
            "mine.yaml:2: the anchor '&a' lets several places share a value, so that none of them can be "
            "tuned alone. Allowed: values without anchors.",
        ),
        (
            "dimensions:\n  accuracy: {min: 0.9,  # ours\n    tier: warn}\n",
            "mine.yaml: a comment inside braces would be lost. Allowed: comments outside of braces.",
        ),
    ],
)
def test_errors(edit, text: str, message: str) -> None:
    assert error_text(ThresholdError, edit, text, add=True) == message


def test_the_difference(edit, snapshot: SnapshotAssertion) -> None:
    assert unified_diff(MINE, edit(MINE, ACCURACY).after, Path("x.yaml")) == snapshot
    assert unified_diff(MINE, MINE, Path("x.yaml")) == ""

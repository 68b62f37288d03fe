"""Faults of threshold files: those of every section in every section, and those of one section."""

from dataclasses import dataclass, replace
from datetime import date
from string import Template

import pytest
from support.gate import threshold_error, thresholds
from syrupy.assertion import SnapshotAssertion

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import DecidedSet, SuiteFacts
from quba_check.core.serving import ServingPipeline
from quba_check.demands import bounds

SPACES = {
    "clean": None,
    "night": None,
    "corruptions": None,
    "sketch": "fewer",
    "tuning": None,
    "mixed_same": None,
}
SUITE = SuiteFacts(
    "toys",
    10,
    ("night", "sketch"),
    ("fog", "frost"),
    SPACES,
    class_names=("cat, tom", "dog", *"cdefghij"),
    slices=("light", "top5", "light,camera"),
    serving={"app": ServingPipeline(jpeg=85)},
    unknown=("birds",),
    other=("tuning",),
    decided={
        "herds": DecidedSet("clean", "mean"),
        "night_herds": DecidedSet("night", "mean"),
        "voted": DecidedSet("clean", "majority"),
        "with_cat": DecidedSet("clean", "any", 0),
        "flocks": DecidedSet("birds", "mean"),
    },
)


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "today", lambda: date(2026, 6, 30))


@dataclass(frozen=True)
class Place:
    """An entry with bounds: `text` with ENTRY in line 3, its path in messages, and its right bound."""

    text: str
    path: str
    bound: str = "min"

    @property
    def words(self) -> dict[str, str]:
        """The words of faults that depend on the direction of the bound."""
        if self.bound == "max":
            return {"bound": "max", "wrong": "min", "least": "at_most", "worse": "0.6", "most": "at_least"}
        return {"bound": self.bound, "wrong": "max", "least": "at_least", "worse": "0.4", "most": "at_most"}


PLACES = {
    "dimension": Place("dimensions:\n accuracy: ENTRY", "dimensions.accuracy"),
    "error": Place("dimensions:\n calibration_error: ENTRY", "dimensions.calibration_error", "max"),
    "part": Place("dimensions:\n accuracy: {parts: {top5: ENTRY}}", "dimensions.accuracy.parts.top5"),
    "worst": Place(
        "dimensions:\n accuracy: {slices: {light: {worst: ENTRY}}}", "dimensions.accuracy.slices.light.worst"
    ),
    "gap": Place(
        "dimensions:\n accuracy: {slices: {light: {gap: ENTRY}}}", "dimensions.accuracy.slices.light.gap",
        "max",
    ),
    "slice": Place(
        "dimensions:\n accuracy: {slices: {light=a: ENTRY}}", "dimensions.accuracy.slices.light=a"
    ),
    "class": Place("classes:\n cat: {recall: ENTRY}", "classes.cat.recall"),
    "each": Place("classes:\n each: {specificity: ENTRY}", "classes.each.specificity"),
    "macro": Place("classes:\n macro: {f1: ENTRY}", "classes.macro.f1"),
    "not_as": Place("classes:\n not_as: {cat: {dog: ENTRY}}", "classes.not_as.cat.dog", "max"),
    "answers": Place("answers: {at: {energy: 0.9},\n share: ENTRY}", "answers.share"),
    "aurc": Place("answers:\n aurc: ENTRY", "answers.aurc", "max"),
    "parity": Place("parity:\n agreement: ENTRY", "parity.agreement"),
    "flips": Place("parity:\n negative_flips: ENTRY", "parity.negative_flips", "max"),
    "quba": Place("quba:\n ENTRY", "quba", "min_score"),
    # in lists
    "listed": Place("dimensions:\n class_balance: [ENTRY]", "dimensions.class_balance[0]"),
    "listed slice": Place(
        "classes:\n each: [{recall: {slices: {light: {worst: ENTRY}}}}]",
        "classes.each[0].recall.slices.light.worst",
    ),
    # under conditions
    "set and at": Place(
        "classes:\n cat: {set: night, at: {recall: 0.9, from: tuning}, prevalence: 0.1, precision: ENTRY}",
        "classes.cat.precision",
    ),
    "unknown set": Place("answers: {at: {energy: 0.9}, set: birds,\n share: ENTRY}", "answers.share", "max"),
    "pipeline": Place("parity:\n {pipeline: app, set: herds, agreement: ENTRY}", "parity.agreement"),
}  # fmt: skip
UNTIL = "until: 2026-06-30, by: ann, reason: r"
SIZES = ("{$bound: 50}", "{$bound: 1.5}", "{$bound: -0.1}")
"""No faults of a score, which has any size."""
FAULTS = [
    # the form of the entry
    *("[0.5]", "0.5", "high", "null", "{}"),
    "{$bound: 0.5, $bound: 0.1}",
    "{$bound: 0.5, tiers: warn}",
    # bounds
    *(f"{{$bound: {value}}}" for value in ("null", "high", "'0.5'", "[0.5]", "{is: 0.5}", "true")),
    *(f"{{$bound: {value}}}" for value in (".nan", "-.inf", "101%")),
    *SIZES,
    *("{$wrong: 0.5}", "{min: 0.9, max: 0.1}"),
    *(f"{{max_drop: {value}}}" for value in ("much", ".nan", "-2%", "1")),
    # settings
    *(f"{{$bound: 0.5, {setting}}}" for setting in ("tier: blok", "optional: yes", "optional: 1")),
    "{tier: warn}",
    # titles
    *("{$bound: 0.5, title: 3}", f"{{$bound: 0.5, title: {81 * 'x'}}}", "{title: Any}"),
    # waivers
    *("{$bound: 0.5, waive: true}", "{$bound: 0.5, waive: {}}"),
    *(
        f"{{$bound: 0.5, waive: {{until: {until}, by: ann, reason: r, $least: $worse}}}}"
        for until in ("soon", "2026-06-29", "2027-07-02")
    ),
    "{$bound: 0.5, waive: {until: 2026-06-30, by: ' ', reason: r, $least: $worse}}",
    f"{{$bound: 0.5, waive: {{{UNTIL}}}}}",
    *(
        f"{{$bound: 0.5, waive: {{{UNTIL}, {limits}}}}}"
        for limits in (
            *("at_least: 0.4, at_most: 0.6", "$most: 0.5", "at_least: C", "$least: $worse, whom: bo"),
            "$least: 0.5",
        )
    ),
    f"{{$bound: 0.5, tier: warn, waive: {{{UNTIL}, $least: $worse}}}}",
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.replace(81 * "x", "long"))
def test_a_fault_is_refused_in_every_section(fault: str, snapshot: SnapshotAssertion) -> None:
    """The messages, each with the names of its places."""
    names: dict[str, list[str]] = {}
    for name, place in PLACES.items():
        if name != "quba" or fault not in SIZES:
            entry = Template(fault).substitute(place.words)
            message = threshold_error(place.text.replace("ENTRY", entry), SUITE)
            target = place.path.removeprefix("dimensions.").replace(".parts", "")
            message = message.replace(place.path, "PATH").replace(f" {target}", " TARGET")
            names.setdefault(message, []).append(name)
    assert "\n".join(f"{message}\n    {', '.join(of)}" for message, of in names.items()) == snapshot


RECALL = "recall: {min: 0.9}"
WAIVED = f"waive: {{{UNTIL}, at_most: 1}}"
WEIGHTLESS = ", ".join(f"{name}: 0" for name in PUBLISHED_DIMENSIONS)
ONES: list[tuple[SuiteFacts, list[str]]] = [
    (
        SUITE,
        [
            "dimension: {accuracy: {min: 0.5}}",
            "dimensions:\n  acuracy: {min: 0.5}",
            "dimensions: {classes: {min: 80%, tier: warn}}",
            "dimensions: {answers: [{max: 0.1}, {max_drop: 0.01}]}",
            "dimensions: {parity: {slices: {light: {worst: {min: 0.9}}}}}",
            "dimensions:\n  accuracy:\n    min:\n      75",
            "dimensions: {ood_robustness: {parts: {nigt: {min: 0.5}}}}",
            "dimensions: {ood_robustness: {parts: {night_accuracy: {min: 0.5}}}}",
            "dimensions: {parameters: {parts: {trainable: {max: 3}}}}",
            "dimensions:\n  adversarial_robustness:\n    allow_masked:\n      true",
            "dimensions: {calibration_error: {parts: {nll: {max: -0.5}}}}",
            "dimensions: {calibration_error: {parts: {brier: {max: 2.5}}}}",
            "dimensions: {calibration_error: {parts: {brier: {max_drop: 2}}}}",
            "dimensions: {corruption_robustness: {parts: {fog: {min: 45}}}}",
            "dimensions: {corruption_robustness: {parts: {fog: {min: 10}}}}",
            "dimensions: {accuracy: {min: 2}}",
            "dimensions: {accuracy: {min: 750}}",
            "dimensions: {corruption_robustness: {max_relative_drop: 200}}",
            "dimensions: {parameters: {max: 25600000}}",
            "dimensions: {parameters: {max: 30%}}",
            "dimensions: {parameters: {max: -3}}",
            "dimensions: {flops: {max: -3}}",
            "dimensions: {size: {parts: {file: {max: 5000000}}}}",
            "dimensions:\n  size:\n    max_drop:\n      5%",
            "dimensions: {accuracy: {max_relative_drop: 100%}}",
            "dimensions: {accuracy: {max_drop: 100}}",
            "dimensions: {accuracy: {max_relative_drop: 1e999%}}",
            f"dimensions: {{accuracy: {{waive: {{{UNTIL}, at_least: 0.4}}}}}}",
            "dimensions: {accuracy: {title: Any, parts: {top5: {min: 0.5}}}}",
            "dimensions: {accuracy: {slices: {light: {title: Any, worst: {min: 0.5}}}}}",
            f"dimensions:\n  accuracy: {{max_drop: 0.1, max_relative_drop: 1%, {WAIVED}}}",
            f"dimensions:\n  accuracy: {{slices: {{light: {{gap: {{max: 1}}, {WAIVED}}}}}}}",
            "dimensions: {accuracy: {slices: {ligth: {worst: {min: 0.8}}}}}",
            "dimensions: {accuracy: {slices: {camera=a: {min: 0.8}}}}",
            "dimensions: {accuracy: {slices: {light: {}}}}",
            "dimensions: {accuracy: {slices: {light: {min: 0.8}}}}",
            "dimensions: {accuracy: {slices: {light: {min_images: 9}}}}",
            "dimensions: {accuracy: {slices: {light: {min_images: 0, worst: {min: 0.8}}}}}",
            "dimensions: {accuracy: {slices: {light=a: {worst: {min: 0.8}}}}}",
            "dimensions: {parameters: {slices: {light: {worst: {max: 1}}}}}",
            "dimensions: {accuracy: {slices: {}}}",
            "dimensions: {accuracy: {set: night, parts: {}}}",
            "classes: {cat: {recall: {slices: {}}}}",
            f"classes: {{ca: {{{RECALL}}}}}",
            f"classes: {{cat||: {{{RECALL}}}}}",
            f"classes: {{dog|dog: {{{RECALL}}}}}",
            f"classes: {{cat|dog|c|d|e|f|g|h|i|j: {{{RECALL}}}}}",
            "classes: {not_as: {cat: {dg: {max: 0.1}}}}",
            "classes: {not_as: {cat: {dog|cat: {max: 0.1}}}}",
            "classes: {cat: {recal: {min: 0.9}}}",
            "classes: {each: {auroc: {min: 0.9}}}",
            "classes: {macro: {f1: {min: 0.9}, at: {probability: 0.5}}}",
            "classes: {cat: {at: {probability: 0.5}}}",
            "classes: {each: {tier: warn}}",
            "classes: {cat: {auroc: {min: 0.9}, at: {probability: 0.5}}}",
            f"classes: {{cat: {{{RECALL}, prevalence: 0.5}}}}",
            "classes: {cat: {precision: {min: 0.9}, prevalence: 0}}",
            f"classes: {{cat: {{{RECALL}, at: {{probability: 1.5}}}}}}",
            f"classes: {{cat: {{{RECALL}, at: {{specificity: 0.9}}}}}}",
            f"classes: {{cat: {{{RECALL}, at: {{probability: 0.9, from: night}}}}}}",
            f"classes: {{cat: {{{RECALL}, at: {{specificity: 0.9, from: clean}}}}}}",
            f"classes: {{cat: {{{RECALL}, set: frost, at: {{specificity: 0.9, from: fog}}}}}}",
            "answers: {share: {min: 0.75}}",
            "answers: {at: {score: margin}, share: {min: 0.75}}",
            "answers:\n  at: {probability: 0.9, error: 0.01}\n  share: {min: 0.75}",
            "answers:\n  at:\n    probability: 0.9\n    score: margin\n  share: {min: 0.75}",
            "answers: {at: {energy: 0.9, confidence: 0.9}, share: {min: 0.75}}",
            "answers: {at: {accuracy: 0.9, from: night, confidence: 0.9}, share: {min: 0.75}}",
            "answers: {at: {probability: 0.9}}",
            "answers: {at: {error: 0}, share: {min: 0.75}}",
            "answers: {at: {error: 1}, share: {min: 0.75}}",
            "answers: {at: {error: 0.1, confidence: 95}, share: {min: 0.75}}",
            "answers: {at: {error: 0.1, score: logit}, share: {min: 0.75}}",
            "answers: {at: {margin: 0.5}, share: {min: 0.75}}",
            "answers:\n  - aurc: {max: 1}\n  - {at: {margin: 0.5}, share: {min: 0.75}}",
            "answers: {}",
            "parity: [{}]",
            "parity: {set: night}",
            "quba: {min_grade: E}",
            "quba:\n  weights:\n    accuracy: -1",
            "quba: {weights: {fairness: 1}}",
            f"quba:\n  weights: {{{WEIGHTLESS}}}\n  min_score: 0",
            "quba:\n  allow_missing:\n    - shapebias",
            "quba: {min_score: 0, population: publisched}",
            "uncertain: fails",
            "confidence: 95",
            "confidence: 0.4",
            "confidence: 95%",
            "baseline: a.json",
            "baseline: ' '",
            "extends: moble.yaml",
            f"extends: {'x' * 300}",
            f"quba: {{min_score: 0, population: {'x' * 300}}}",
            "name: empty",
        ],
    ),
    (
        replace(SUITE, class_count=10_000, class_names=tuple(f"c{k}" for k in range(10_000))),
        [f"classes: {{cat: {{{RECALL}}}}}"],
    ),
    (replace(SUITE, samples_corruptions=True), [f"classes: {{dog: {{{RECALL}, set: fog}}}}"]),
    (replace(SUITE, spaces={"clean": None}), [f"classes: {{dog: {{{RECALL}, set: fog}}}}"]),
    (
        replace(SUITE, shifts=(), other=()),
        [f"classes: {{dog: {{{RECALL}, at: {{recall: 0.9, from: fog}}}}}}"],
    ),
    (
        replace(SUITE, class_count=4, class_names=("macro, mean", "each", "not_as", "wart")),
        [
            f"classes: {{macro: {{{RECALL}}}}}",
            f"classes: {{each: {{{RECALL}}}}}",
            "classes: {not_as: {recall: {wart: {max: 1}}}}",
        ],
    ),
    (replace(SUITE, slices=()), ["dimensions: {accuracy: {slices: {light: {worst: {min: 0.8}}}}}"]),
    (replace(SUITE, slices=None, class_names=()), ["answers: {at: {probability: {}}, share: {min: 0.5}}"]),
    (replace(SUITE, serving={}), ["parity: {pipeline: app, agreement: {min: 0.9}}"]),
]
OF_CLASSES = "at: {probability: {cat: 0.3, default: 0.5}}"
OTHERS = "at: {probability: {cat: 0.4, default: 0.5}}"
WAIVE = f"waive: {{{UNTIL}, at_least: 0.4}}"
COMBINED: list[tuple[SuiteFacts, list[str]]] = [
    (
        SUITE,
        [
            # sets
            "dimensions: {accuracy: {set: nigt, min: 0.5}}",
            "dimensions: {accuracy: [{min: 0.5}, {set: [clean, mixed_same], min: 0.5}]}",
            "dimensions: {ood_robustness: {set: night, min: 0.5}}",
            "dimensions: {calibration_error: {set: sketch, max: 0.5}}",
            f"classes: {{cat: {{{RECALL}, set: sketch}}}}",
            f"classes: {{cat: {{{RECALL}, set: birds}}}}",
            "answers: {at: {probability: 0.5}, accuracy: {min: 0.5}, set: birds}",
            "answers: {at: {probability: 0.5}, share: {min: 0.5}, set: flocks}",
            "answers: {at: {probability: 0.5}, share: {max: 0.5}, set: [birds, clean]}",
            "answers: {at: {error: 0.5}, share: {max: 0.5}, set: birds}",
            "answers: {at: {error: 0.5, from: birds}, share: {min: 0.5}}",
            "parity: {agreement: {min: 0.5}, set: []}",
            "parity: {agreement: {min: 0.5}, set: 3}",
            "parity: {agreement: {max_drop: 0.01}, pipeline: app}",
            'dimensions: {accuracy: {min: 0.5, set: ""}}',
            'dimensions: {accuracy: {min: 0.5, pipeline: ""}}',
            'answers: {at: {accuracy: 0.9, from: ""}, share: {min: 0.5}}',
            'classes: {cat: {at: {recall: 0.9, from: ""}, precision: {min: 0.5}}}',
            f"dimensions: {{accuracy: {{set: [clean, night], min: 0.5, {WAIVE}}}}}",
            f"classes:\n  cat:\n    set: [clean, night]\n    recall: {{min: 0.5, {WAIVE}}}",
            # decided sets
            "dimensions: {calibration_error: {set: voted, max: 0.5}}",
            "dimensions: {accuracy: {set: voted, parts: {top5: {min: 0.5}}}}",
            "classes: {cat: {auroc: {min: 0.5}, set: voted}}",
            f"classes: {{cat: {{{RECALL}, at: {{probability: 0.3}}, set: voted}}}}",
            "answers: {at: {probability: 0.5}, share: {min: 0.5}, set: voted}",
            "answers: {at: {energy: 0.5}, share: {min: 0.5}, set: herds}",
            f"classes: {{dog: {{{RECALL}, set: with_cat}}}}",
            "classes: {not_as: {cat: {dog: {max: 0.5, set: with_cat}}}}",
            # thresholds
            "classes: {each: {recall: {min: 0.5}, at: {probability: 0.5}}}",
            f"classes: {{cat: {{{RECALL}, set: herds, at: {{recall: 0.9, from: clean}}}}}}",
            f"classes: {{cat: {{{RECALL}, set: herds, at: {{recall: 0.9, from: night}}}}}}",
            f"classes: {{cat: {{{RECALL}, at: {{recall: 0.9, from: night_herds}}}}}}",
            f"classes: {{cat: {{{RECALL}, at: {{precision: 0.9, from: tunning}}}}}}",
            "answers: {at: {accuracy: 0.9}, share: {min: 0.5}}",
            "answers: {at: {probability: 0.9, from: tuning}, share: {min: 0.5}}",
            "answers: {at: {probability: {cat: 0.3, dgo: 0.5, default: 1}}, share: {min: 0.5}}",
            "answers: {at: {probability: {cat: 0.3, dog: 0.5}}, share: {min: 0.5}}",
            "answers: {at: {energy: {cat: 0.3, default: 0.5}}, share: {min: 0.5}}",
            f"answers:\n  - {{{OF_CLASSES}, share: {{min: 0.5}}}}\n"
            f"  - {{{OTHERS}, share: {{max_drop: 0.5}}}}",
            f"answers:\n  - {{{OF_CLASSES}, share: {{min: 0.5}}}}\n"
            f"  - {{{OTHERS}, share: {{slices: {{light: {{worst: {{min: 0.5}}}}}}}}}}",
            f"answers:\n  - {{{OF_CLASSES}, share: {{min: 0.5}}}}\n"
            f"  - {{{OTHERS}, pipeline: app, share: {{max_drop: 0.5}}}}",
            # pipelines
            "dimensions: {accuracy: {pipeline: ap, min: 0.5}}",
            "dimensions: {accuracy: {pipeline: app, max_relative_drop: 0.5}}",
            "dimensions: {accuracy: {pipeline: app, parts: {top5: {min: 0.5}}}}",
            "dimensions: {calibration_error: {pipeline: app, max: 0.5}}",
            # sizes of attacks
            "dimensions: {accuracy: {epsilon: 4/255, min: 0.5}}",
            "dimensions: {adversarial_robustness: {epsilon: 0, min: 0.5}}",
            "dimensions: {adversarial_robustness: {epsilon: 9, min: 0.5}}",
            "dimensions: {adversarial_robustness: {epsilon: a/b, min: 0.5}}",
            # slices
            "classes: {each: {recall: {slices: {light: {gap: {max: 0.5}}}}}}",
            "classes: {not_as: {cat: {dog: {slices: {light: {gap: {max: 0.5}}}}}}}",
            "classes: {macro: {recall: {slices: {light=a: {min: 0.5}}}}}",
            "dimensions: {accuracy: [{min: 0.5}, {slices: {ligth: {worst: {min: 0.5}}}}]}",
            "dimensions:\n  calibration_error: {slices: {light: {worst: {max: 0.5}, min_images: 99}}}",
            # entries
            "dimensions:\n  accuracy:\n    - {min: 0.5}\n    - {set: clean, min: 0.6}",
            "answers:\n  - {aurc: {max: 0.5}}\n  - {at: {energy: 0.5}, aurc: {max: 0.5}}\n  - aurc: {max: 1}",
            "dimensions: {adversarial_robustness: [{min: 0.5}, {epsilon: 8/255, min: 0.6}]}",
            "dimensions:\n  accuracy:\n    - {min: 0.5}\n    - {set: night}",
            "dimensions: {accuracy: []}",
            "dimensions:\n  accuracy:\n    - {min: 0.5}\n    - null",
            "classes: [{cat: {recall: {min: 0.5}}}]",
        ],
    ),
    (
        replace(SUITE, generates_corruptions=True),
        ["dimensions: {accuracy: {pipeline: app, set: fog, min: 0.5}}"],
    ),
    (
        replace(SUITE, samples_corruptions=True, corruptions=("fog",)),
        [
            "dimensions: {accuracy: {set: fog, min: 0.5}}",
            "dimensions: {corruption_robustness: {parts: {fog: {min: 0.5}}}}",
        ],
    ),
    (replace(SUITE, unknown=("birds", "fog")), ["dimensions: {accuracy: {set: fog, min: 0.5}}"]),
    (replace(SUITE, class_names=("cat", "cat", *"cdefghij")), ["classes: {cat: {recall: {min: 0.5}}}"]),
]


@pytest.mark.parametrize("faults", [ONES, COMBINED], ids=["of one section", "combined"])
def test_faults_by_themselves(
    faults: list[tuple[SuiteFacts, list[str]]], snapshot: SnapshotAssertion
) -> None:
    """Each file without its first line, `schema: 1`, and the message."""
    texts = [(text, threshold_error(text, suite)) for suite, texts in faults for text in texts]
    assert "\n\n".join(f"{text}\n→ {message}" for text, message in texts) == snapshot


def test_a_list_replaces_what_it_extends_as_a_whole() -> None:
    keys = "dimensions:\n  accuracy: {min: 0.5, slices: {light: {worst: {min: 0.4}}}}"
    entries = "dimensions:\n  accuracy:\n    - {set: night, min: 0.6}\n    - {min: 0.7}"

    def names(text: str, base: str) -> list[str]:
        return [one.name for one in thresholds(f"extends: base.yaml\n{text}", SUITE, base=base).demands]

    both = ["accuracy@set=night[min]", "accuracy[min]"]
    assert names(entries, keys) == both
    assert names(entries, entries.replace("night", "fog")) == both
    assert names("answers: {aurc: {max: 0.1}}\ndimensions: {accuracy: null}", entries) == [
        "answers.aurc[max]"
    ]
    inner = "dimensions:\n\n  accuracy: {min: 0.8}"
    assert threshold_error(f"extends: base.yaml\n{inner}", SUITE, base=entries) == (
        "x.yaml:5: dimensions.accuracy: keys do not extend the list of base.yaml:3. "
        "Allowed: a list, which replaces it, or null."
    )
    nulled = entries.replace("{min: 0.7}", "{set: fog, min: null}")
    assert threshold_error(f"extends: base.yaml\n{nulled}", SUITE, base=keys) == (
        "x.yaml:6: dimensions.accuracy[1].min: null removes a key of the extended file, which has no such "
        "key."
    )

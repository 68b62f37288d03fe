"""What is said of a preparation that the model was not made for."""

from __future__ import annotations

from quba_check.doctor.batchnorm import Mismatch
from quba_check.doctor.finding import Finding
from quba_check.doctor.preprocessing import Better
from quba_check.doctor.preprocessing_candidates import NONE, is_close, own_normalisation
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.models.preprocessing.preprocessing import Preprocessing

_FILE = "preprocessing.yaml"


def finding(patient: ModelUnderTest, better: Better) -> Finding:
    """The finding that names the preparation which the model was made for."""
    spec = patient.classifier.spec
    return Finding(
        check="preparation",
        problem=f"{spec}: {_problem(patient, better)}",
        evidence=_evidence(better),
        fix=_fix(patient, better.variant),
    )


def _problem(patient: ModelUnderTest, better: Better) -> str:
    variant = better.variant
    usual, suits = _in_words(patient.usual.preprocessing), _in_words(variant.preprocessing)
    if better.is_geometry:
        words = better.heat.candidate.words
        return f"images are resized or cropped in a way that does not suit the model; {words} does."
    if variant.is_bgr:
        return "the channels go in as red, green, blue; blue, green, red suits the model."
    own = own_normalisation(patient.classifier.module)
    if _is_none(variant.preprocessing) and own is not None:
        return f"images are normalised twice: as the preparation says, and again by the model ('{own}')."
    if _is_none(patient.usual.preprocessing):
        return f"the normalisation is missing; {suits} suits the model."
    return f"images go in with {usual}; {suits} suits the model."


def _evidence(better: Better) -> str:
    heat = better.heat
    (before, after), (low, high) = heat.accuracies, heat.levels
    words = (
        f"on {len(heat.gain)} clean images accuracy {before:.3f} as it is, {after:.3f} so; "
        f"mean log-probability of the true class {low:.2f} and {high:.2f}"
    )
    if better.layers is None:
        return words
    now, then = better.layers
    return f"{words}\n{_of_layer(now, then)}"


def _of_layer(now: Mismatch, then: Mismatch) -> str:
    return (
        f"the first BatchNorm ('{now.layer}') sees {_times(now.ratio)} times the variance of its training "
        f"as it is, {_times(then.ratio)} times so"
    )


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2g}"


def _fix(patient: ModelUnderTest, variant: Variant) -> str:
    usual = patient.usual.preprocessing
    lines = [
        f"{key}: {_yaml(value)}"
        for key, value in variant.preprocessing.as_dict().items()
        if key != "source" and value != usual.as_dict()[key]
    ]
    turned = "wrap the model in a callable whose forward begins with images = images.flip(1)"
    if not lines:
        return turned
    written = f"write to {_FILE}, and give --quba-preprocessing={_FILE}:"
    return "\n".join([*([f"{turned}, and"] if variant.is_bgr else []), written, *lines])


def _is_none(preprocessing: Preprocessing) -> bool:
    return is_close((preprocessing.mean, preprocessing.std), NONE)


def _in_words(preprocessing: Preprocessing) -> str:
    if not any(preprocessing.mean) and min(preprocessing.std) == max(preprocessing.std):
        return f"values from 0 to {1 / preprocessing.std[0]:.3g}"
    mean, std = (
        " ".join(f"{value:.3g}" for value in values) for values in (preprocessing.mean, preprocessing.std)
    )
    return f"mean {mean} and std {std}"


def _yaml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)

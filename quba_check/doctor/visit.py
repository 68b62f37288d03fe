"""A visit to the doctor: a model on a suite is examined, unless that was done before and nothing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from quba_check.dimensions import registry
from quba_check.doctor.examination import CHECKS, LISTINGS, Examination, examine
from quba_check.doctor.memory import Memory, doctors_version
from quba_check.doctor.patient import Patient
from quba_check.engine.store import address_of
from quba_check.errors import SuiteError
from quba_check.evaluation import Evaluation
from quba_check.protocol.view import CLEAN, View
from quba_check.suites.digests import ContentDigests
from quba_check.suites.places import MANIFEST_NAME
from quba_check.suites.suite import Suite


def visit(
    evaluation: Evaluation,
    needs: Mapping[str, Sequence[str]],
    *,
    short: bool,
    order: Sequence[str] | None = None,
) -> Examination:
    """Examine a model on a suite, or recall what was found.

    Sets are listed every time; images are decoded and shown once.

    Args:
        evaluation: the model on the suite.
        needs: dimensions that must have a value, each with `file:line` of the demands that say so.
        short: look at fewer images, as before a gate run, and at none where no dimension needs any.
        order: class names in the order of the model's outputs, where the user says so.
    """
    patient = Patient(
        evaluation.classifier,
        evaluation.suite,
        seed=evaluation.seed,
        protocol=evaluation.protocol,
        needs=needs,
        order=order,
        short=short,
    )
    listed = examine(patient, LISTINGS)
    checks = CHECKS if _has_what_to_show(patient) else ()
    made = Examination(
        model=evaluation.classifier.spec,
        suite=evaluation.suite.name,
        root=str(evaluation.suite.root),
        device=str(evaluation.classifier.device),
        precision=evaluation.classifier.precision,
        form="short" if short else "full",
        checks=tuple(check.name for check in (*LISTINGS, *checks)),
        findings=listed,
    )
    if not checks:
        return made
    memory = Memory(evaluation.store.root, ContentDigests(evaluation.store.root / "digests.sqlite"))
    address = _address(patient, evaluation)
    kept = memory.recall(address)
    if kept is None:
        found = examine(patient, checks)
        memory.keep(address, found, patient.witnesses, decoded=patient.decoded, forwards=patient.forwards)
        seen = {"decoded": patient.decoded, "forwards": patient.forwards, "remembered": False}
    else:
        found = kept.findings
        seen = {"decoded": kept.decoded, "forwards": kept.forwards, "remembered": True}
    return made.model_copy(update={**seen, "findings": (*listed, *found)})


def _has_what_to_show(patient: Patient) -> bool:
    """Whether there are clean images, and somebody wants any image shown."""
    wanted = not patient.short or bool(_needed_views(patient))
    return wanted and patient.has(CLEAN) and _count(patient.suite, CLEAN) is not None


def _needed_views(patient: Patient) -> list[View]:
    facts = patient.suite.facts
    views = {view.images for name in patient.needs for view in registry[name].views(facts)}
    return sorted((view for view in views if patient.has(view)), key=str)


def _count(suite: Suite, view: View) -> int | None:
    """Images of a view; None where its set is not laid out as it should be."""
    try:
        return suite.counts([view])[view.set].images
    except SuiteError:
        return None


def _address(patient: Patient, evaluation: Evaluation) -> str:
    """Address of all that decides what is found, but for the contents of the files that are looked at."""
    suite = patient.suite
    manifest = suite.root / MANIFEST_NAME
    return address_of(
        {
            "doctor": doctors_version(),
            "form": "short" if patient.short else "full",
            "model": evaluation.engine.addresses.model,
            "spec": evaluation.classifier.spec,
            "device": evaluation.classifier.device.type,
            "seed": patient.seed,
            "crop": patient.protocol.crops_prepared,
            "order": patient.order,
            "root": str(suite.root),
            "manifest": hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
            "views": [str(view) for view in suite.views()],
            "images": {str(view): _count(suite, view) for view in _needed_views(patient)},
            "needs": sorted(patient.needs),
        }
    )

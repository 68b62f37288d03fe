"""A visit to the doctor: a model on a suite is examined, unless that was done before and nothing changed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

from quba_check.core.view import CLEAN, View
from quba_check.dimensions import registry
from quba_check.doctor.examination import CHECKS, GRADIENTS, LISTINGS, Check, Examination, examine
from quba_check.doctor.findings_cache import CachedFindings, FindingsCache, doctors_version
from quba_check.doctor.gradients import DIMENSION
from quba_check.doctor.subject import ModelUnderTest
from quba_check.engine.engine import WAIT_SECONDS
from quba_check.errors import SuiteError
from quba_check.evaluation import Evaluation
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.store import content_hash
from quba_check.suites.opening import MANIFEST_NAME
from quba_check.suites.suite import Suite


def cached_examination(
    evaluation: Evaluation,
    needs: Mapping[str, Sequence[str]],
    *,
    short: bool,
    order: Sequence[str] | None = None,
) -> Examination:
    """Examine a model on a suite, or recall what was found.

    Sets are listed every time; images are decoded and shown once, as protocol `standard` prepares them.

    Args:
        evaluation: the model on the suite.
        needs: dimensions that must have a value, each with `file:line` of the demands that say so.
        short: look at fewer images, as before a gate run, and at none where no dimension needs any.
        order: class names in the order of the model's outputs, where the user says so.
    """
    patient = ModelUnderTest(
        evaluation.classifier,
        evaluation.suite,
        seed=evaluation.seed,
        needs=needs,
        order=order,
        short=short,
    )
    listed = examine(patient, LISTINGS)
    checks = CHECKS if _has_what_to_show(patient) else ()
    if checks and not short and DIMENSION in needs and not evaluation.classifier.no_gradient:
        checks = (*checks, GRADIENTS)
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
    kept, is_new = _found(evaluation, patient, checks)
    seen = {"decoded": kept.decoded, "forwards": kept.forwards, "remembered": not is_new}
    return made.model_copy(update={**seen, "findings": (*listed, *kept.findings)})


def _found(
    evaluation: Evaluation, patient: ModelUnderTest, checks: tuple[Check, ...]
) -> tuple[CachedFindings, bool]:
    """What the checks find, and whether it was found just now; processes that ask at once share the work."""
    store = evaluation.store
    memory = FindingsCache(store.root, ContentDigests(store.root / "digests.sqlite"))
    address = _address(patient, evaluation, checks)
    while True:
        with store.try_lock(f"doctor/{address}") as held:
            kept = memory.recall(address)
            if kept is not None:
                return kept, False
            if held:
                findings = examine(patient, checks)
                kept = memory.keep(
                    address, findings, patient.witnesses, decoded=patient.decoded, forwards=patient.forwards
                )
                return kept, True
        time.sleep(WAIT_SECONDS)


def _has_what_to_show(patient: ModelUnderTest) -> bool:
    """Whether there are clean images, and somebody wants any image shown."""
    facts = patient.suite.facts
    wanted = not patient.short or any(registry[name].views(facts) for name in patient.needs)
    return wanted and patient.has(CLEAN) and _count(patient.suite, CLEAN) is not None


def _count(suite: Suite, view: View) -> int | None:
    """Images of a view; None where its set is not laid out as it should be."""
    try:
        return suite.counts([view])[view.set].images
    except SuiteError:
        return None


def _address(patient: ModelUnderTest, evaluation: Evaluation, checks: tuple[Check, ...]) -> str:
    """Address of all that decides what is found, but for the contents of the files that are looked at."""
    suite = patient.suite
    manifest = suite.root / MANIFEST_NAME
    return content_hash(
        {
            "doctor": doctors_version(),
            "form": "short" if patient.short else "full",
            "checks": [check.name for check in checks],
            "model": evaluation.engine.cache_keys.model_settings,
            "spec": evaluation.classifier.spec,
            "device": evaluation.classifier.device.type,
            "seed": patient.seed,
            "order": patient.order,
            "root": str(suite.root),
            "manifest": hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
            "views": [str(view) for view in suite.views()],
            "images": _count(suite, CLEAN),
            "limit": suite.sampler.max_images,
        }
    )

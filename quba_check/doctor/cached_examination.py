"""Examination of a model on a suite, cached while nothing changes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from quba_check.core.view import CLEAN
from quba_check.dimensions import registry
from quba_check.doctor.examination import CHECKS, GRADIENTS, SET_CHECKS, Check, Examination, examine
from quba_check.doctor.findings_cache import CachedFindings, FindingsCache, doctors_version
from quba_check.doctor.gradients import DIMENSION
from quba_check.doctor.subject import ModelUnderTest
from quba_check.doctor.time_budget import SECONDS, SHORT_SECONDS, TimeBudget
from quba_check.engine.engine import WAIT_SECONDS
from quba_check.errors import SuiteError
from quba_check.evaluation import Evaluation
from quba_check.models.preprocessing import fast
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.machine_folder import digests_file
from quba_check.storage.store import content_hash
from quba_check.suites.suite import Suite


def cached_examination(
    evaluation: Evaluation,
    needs: Mapping[str, Sequence[str]],
    *,
    short: bool,
    order: Sequence[str] | None = None,
    estimate_order: bool = False,
) -> Examination:
    """Examine a model on a suite, or return the cached findings.

    Sets are listed every time; images are decoded and shown to the model once. An examination that its time
    budget ended is not cached.

    Args:
        evaluation: the model on the suite.
        needs: the demanded dimensions, each with `file:line` of its demands.
        short: use fewer images, as before a gate run, and none if no dimension needs any.
        order: the user's class names in the order of the model's outputs, if given.
        estimate_order: propose a class order estimated from the answers.
    """
    classifier, suite = evaluation.classifier, evaluation.suite
    subject = ModelUnderTest(
        classifier,
        suite,
        seed=evaluation.seed,
        needs=needs,
        order=order,
        estimate_order=estimate_order,
        short=short,
    )
    set_findings = examine(subject, SET_CHECKS)
    checks = CHECKS if _can_show_images(subject) else ()
    if checks and not short and DIMENSION in needs and not classifier.no_gradient:
        checks = (*checks, GRADIENTS)
    examination = Examination(
        model=classifier.spec,
        suite=suite.name,
        root=suite.location,
        device=str(classifier.device),
        precision=classifier.precision,
        form="short" if short else "full",
        checks=tuple(check.name for check in (*SET_CHECKS, *checks)),
        findings=set_findings,
    )
    if not checks:
        return examination
    entry, is_new = _cached_findings(evaluation, subject, checks)
    return examination.model_copy(
        update={
            "decoded": entry.decoded,
            "forwards": entry.forwards,
            "remembered": not is_new,
            "checks": tuple(name for name in examination.checks if name not in subject.budget.left_out),
            "findings": (*set_findings, *entry.findings),
        }
    )


def _cached_findings(
    evaluation: Evaluation, subject: ModelUnderTest, checks: tuple[Check, ...]
) -> tuple[CachedFindings, bool]:
    """Return the findings of the checks, and True if they are new.

    Concurrent processes share the work.
    """
    store = evaluation.store
    cache = FindingsCache(store.root, ContentDigests(digests_file(store.root)))
    key = _cache_key(subject, evaluation, checks)
    store.fetch(f"doctor/{key}.json")
    while True:
        with store.try_lock(f"doctor/{key}") as is_locked:
            entry = cache.load(key)
            if entry is not None:
                return entry, False
            if is_locked:
                subject.budget = TimeBudget(SHORT_SECONDS if subject.short else SECONDS)
                findings = examine(subject, checks)
                files, decoded, forwards = subject.sampled_files, subject.decoded, subject.forwards
                if subject.budget.left_out:
                    entry = CachedFindings(
                        findings=findings, decoded=decoded, forwards=forwards, file_digests={}
                    )
                    return entry, True
                entry = cache.save(key, findings, files, decoded=decoded, forwards=forwards)
                store.upload(f"doctor/{key}.json")
                return entry, True
        time.sleep(WAIT_SECONDS)


def _can_show_images(subject: ModelUnderTest) -> bool:
    """True if there are clean images; in the short form, a dimension must need images."""
    facts = subject.suite.facts
    needed = not subject.short or any(registry[name].views(facts) for name in subject.needs)
    return needed and subject.has_images(CLEAN) and _n_clean(subject.suite) is not None


def _n_clean(suite: Suite) -> int | None:
    """Number of clean images; None if the set's layout is invalid."""
    try:
        return suite.counts([CLEAN])[CLEAN.set].images
    except SuiteError:
        return None


def _cache_key(subject: ModelUnderTest, evaluation: Evaluation, checks: tuple[Check, ...]) -> str:
    """Hash of all that determines the findings except the contents of the sampled files."""
    suite = subject.suite
    return content_hash(
        {
            "doctor": doctors_version(),
            "form": "short" if subject.short else "full",
            "checks": [check.name for check in checks],
            "model": _stated_settings(evaluation),
            "spec": evaluation.classifier.spec,
            "device": evaluation.classifier.device.type,
            "seed": subject.seed,
            "order": subject.order,
            "estimate_order": subject.estimate_order,
            "root": suite.location,
            "manifest": hashlib.sha256(suite.manifest_content).hexdigest(),
            "views": [str(view) for view in suite.views()],
            "images": _n_clean(suite),
            "limit": suite.sampler.max_images,
            **({"fast_preprocessing": fast.VERSION} if evaluation.classifier.is_prepared_fast else {}),
        }
    )


def _stated_settings(evaluation: Evaluation) -> dict[str, Any]:
    """Return the settings of the model without those that a probe chooses."""
    settings = evaluation.engine.cache_keys.model_settings
    if evaluation.classifier.compute.requested == "auto":
        settings |= {"precision": "fp32"}
    return {name: value for name, value in settings.items() if name not in ("channels_last", "compiled")}

"""The digest of demands, by which two threshold files that demand the same are equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, QubaSettings
from quba_check.demands.policy import Policy


def demands_digest(
    demands: Iterable[Demand], quba: QubaSettings, policy: Policy, protocol: ProtocolName | None
) -> str:
    """Return the SHA-256 (hex) of all that a threshold file decides about verdicts.

    It is that of JSON in UTF-8 without spaces, with sorted keys: `demands`, sorted, each a list of target,
    bound, threshold, tier, `optional` and `allow_masked`, for slices also `min_images` and `min_groups`, with
    a waiver its last day and worst value; `uncertain` and `confidence`; `protocol`, null if the file states
    none; and `quba`, the settings of the grade, null without a demand on score or grade.
    Comments, order and the split into extended files have no influence.

    Args:
        demands: the demands of the file and of those that it extends.
        quba: settings of score and grade.
        policy: the outcome of demands within the noise.
        protocol: the stated protocol.
    """
    demands = list(demands)
    content = {
        "demands": sorted(
            [
                *(demand.target, demand.bound, demand.threshold, demand.tier, demand.optional),
                demand.allow_masked,
                *((demand.min_images, demand.min_groups) if demand.slices else ()),
                *((str(demand.waiver.until), demand.waiver.limit) if demand.waiver else ()),
            ]
            for demand in demands
        ),
        **asdict(policy),
        "protocol": protocol,
        "quba": _settings(quba) if any(demand.is_on_grade for demand in demands) else None,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _settings(quba: QubaSettings) -> Mapping[str, object]:
    """Return the settings of the grade; a digest replaces the path of a population file."""
    settings = asdict(quba)
    digest = settings.pop("population_sha256")
    return settings | {
        "weights": {name: float(weight) for name, weight in quba.weights.items()},
        "allow_missing": sorted(quba.allow_missing),
        "population": digest or quba.population,
    }

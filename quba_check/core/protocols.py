"""The two measurement protocols, and the constants they share."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from quba_check.errors import OptionError
from quba_check.messages import did_you_mean, listed

ProtocolName = Literal["standard", "released"]
PROTOCOLS: tuple[ProtocolName, ...] = ("standard", "released")

EPSILON = Fraction(8, 255)
"""L∞ radius ε of both attacks (paper, section 3), unless a view has another."""
PGD_STEP = 1 / 4
"""Length of a step of PGD, as a share of ε."""
PGD_STEPS = 10
BINS = 15
"""Bins of ECE and ACE."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """The settings in which the two protocols differ.

    Attributes:
        name: `standard`, or `released` for the paper's released code.
        attack_space: attacks change `pixel` values in [0, 1], or the model's normalised `input` (which is
            then clamped to [0, 1], as in the released code).
        crops_prepared: True if sets stored at their final size pass the full evaluation transform again.
        rounds_parameters: True if parameters are rounded to 0.1 million.
        stops_when_fooled: True if PGD on an image ends as soon as the model is wrong about it: an image is
            robust if no iterate fools the model. False if only the last iterate decides, as in the released
            code.
        ties: the category that wins a tie of cue-conflict decisions.
    """

    name: ProtocolName
    attack_space: Literal["pixel", "input"]
    crops_prepared: bool
    rounds_parameters: bool
    stops_when_fooled: bool
    ties: Literal["first", "last"]

    @classmethod
    def named(cls, name: ProtocolName) -> Protocol:
        """Return the protocol of that name.

        Raises:
            OptionError: there is no such protocol.
        """
        if name not in PROTOCOLS:
            raise OptionError(
                f"unknown '{name}'",
                where="protocol",
                allowed=listed(PROTOCOLS),
                hint=did_you_mean(name, PROTOCOLS),
            )
        return {"standard": STANDARD, "released": RELEASED}[name]


STANDARD = Protocol(
    "standard", "pixel", crops_prepared=False, rounds_parameters=False, stops_when_fooled=True, ties="first"
)
RELEASED = Protocol(
    "released", "input", crops_prepared=True, rounds_parameters=True, stops_when_fooled=False, ties="last"
)

"""The two protocols: how the same nine dimensions are measured, and the constants both share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProtocolName = Literal["standard", "released"]
PROTOCOLS: tuple[ProtocolName, ...] = ("standard", "released")

EPSILON = 8 / 255
"""L∞ radius of both attacks (paper, section 3)."""
PGD_STEP = 2 / 255
PGD_STEPS = 10
BINS = 15
"""Bins of ECE and ACE."""
LEAST_STOPPED = 2000
"""Images of the smallest set that a run may leave before it saw all of them."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Where the two protocols differ.

    Attributes:
        name: `standard`, or `released`: what the paper's released code computes.
        attack_space: attacks move `pixel` values in [0, 1], or the model's normalised `input` (which is then
            clamped to [0, 1], as the released code does).
        crops_prepared: sets stored at their final size go through the full evaluation transform once more.
        rounds_parameters: parameters are rounded to 0.1 million.
        ties: which category wins a tie of cue-conflict decisions.
    """

    name: ProtocolName
    attack_space: Literal["pixel", "input"]
    crops_prepared: bool
    rounds_parameters: bool
    ties: Literal["first", "last"]

    @classmethod
    def named(cls, name: ProtocolName) -> Protocol:
        """The protocol of that name."""
        return {"standard": STANDARD, "released": RELEASED}[name]


STANDARD = Protocol("standard", "pixel", crops_prepared=False, rounds_parameters=False, ties="first")
RELEASED = Protocol("released", "input", crops_prepared=True, rounds_parameters=True, ties="last")

"""What all parts of a record have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class JsonRow(BaseModel):
    """A part of a record: frozen; passes over keys that it does not know, writes NaN and infinity as such."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")

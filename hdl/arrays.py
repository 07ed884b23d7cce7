"""Arrays by dataflow."""

from typing import Any

from hdl.array import Array
from hdl.weight_stationary import WeightStationaryArray

ARRAYS: dict[str, Any] = {"output_stationary": Array, "weight_stationary": WeightStationaryArray}
"""Dataflow of a design point to the component that implements it."""

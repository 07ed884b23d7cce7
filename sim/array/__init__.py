"""Arrays of processing elements: one dataflow a file, one line in this registry; ``events`` simulates them as judge."""

from sim.array.dataflow import Dataflow, group_lengths
from sim.array.dot_product import DotProduct
from sim.array.output_stationary import OutputStationary
from sim.array.weight_stationary import InputStationary, WeightStationary

__all__ = ["DATAFLOWS", "Dataflow", "OutputStationary", "group_lengths"]

DATAFLOWS: dict[str, type[Dataflow]] = {
    "output_stationary": OutputStationary,
    "weight_stationary": WeightStationary,
    "input_stationary": InputStationary,
    "dot_product": DotProduct,
}

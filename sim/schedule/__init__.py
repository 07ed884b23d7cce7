"""Schedules: blocks of a product, the best way to cut it, the vector unit, and a whole model's operators in time."""

from sim.operators import Operator, Product, VectorWork
from sim.schedule.model import Schedule, Step, schedule
from sim.schedule.products import ProductCycles, run_product
from sim.schedule.tiling import check_buffers
from sim.schedule.timeline import Interval, timeline
from sim.schedule.vector import VectorCycles

__all__ = [
    "Interval",
    "Operator",
    "Product",
    "ProductCycles",
    "Schedule",
    "Step",
    "VectorCycles",
    "VectorWork",
    "check_buffers",
    "run_product",
    "schedule",
    "timeline",
]

"""Schedules: blocks of a product, the best way to cut it, the vector unit, and a whole model's operators in time."""

from sim.operators import Operator, Product, VectorWork
from sim.schedule.products import ProductCycles, run_product
from sim.schedule.tiling import check_buffers

__all__ = ["Operator", "Product", "ProductCycles", "VectorWork", "check_buffers", "run_product"]

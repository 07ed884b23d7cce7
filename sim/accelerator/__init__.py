"""The whole accelerator: buffers filled by streams, a controller that runs blocks of a product, results streamed out."""

from sim.accelerator.blocks import Block, blocks_of
from sim.accelerator.cycles import block_times
from sim.accelerator.depths import Depths, depths
from sim.accelerator.streams import Operands, operand_words

__all__ = ["Block", "Depths", "Operands", "block_times", "blocks_of", "depths", "operand_words"]

"""The cocotb module inside the simulator: a file of stimulus in, a file of response out, nothing is judged here."""

import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Timer
from cocotb.types import LogicArray
from numpy.typing import NDArray

FOLDER = "SHIFTWISE_BENCH"
"""Environment variable: the folder of the two files."""
STIMULUS = "stimulus.npz"
RESPONSE = "response.npy"
PERIOD_NS = 2


@cocotb.test()  # type: ignore[untyped-decorator]
async def play(player: Any) -> None:
    """Play all chunks and write what came out: a row of bytes for each chunk, lowest bits first."""
    folder = Path(os.environ[FOLDER])
    with np.load(folder / STIMULUS) as file:
        chunks: NDArray[np.uint8] = file["chunks"]
        depth = int(file["depth"])
    width = len(player.stimulus)
    response: list[bytes] = []
    player.rst.value = 0
    # Low at first, so that a visit falls between two rising edges: the last one has settled, the next is to come.
    Clock(player.clk, PERIOD_NS, unit="ns").start(start_high=False)
    for chunk in chunks:
        player.stimulus.value = LogicArray.from_unsigned(int.from_bytes(chunk.tobytes(), "little"), width)
        await Timer(depth * PERIOD_NS, unit="ns")
        response.append(player.response.value.to_bytes(byteorder="little"))
    np.save(folder / RESPONSE, np.frombuffer(b"".join(response), dtype=np.uint8).reshape(len(chunks), -1))

"""Products of the embedded model as a decode step or a prefill has them: its weights and activations, compiled code."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.overlay.cells import FP16_BYTES
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.compile import Compiled, compile_step
from sim.overlay.compiler.layer import product
from sim.overlay.design import OverlayDesign
from sim.overlay.interpreter import execute
from sim.overlay.interpreter.machine import ACTIVATION, MEMORY
from sim.overlay.isa import OPCODES, SYSTEM, Program
from workloads.checkpoint import LanguageModel
from workloads.overlay.forward import OverlayNetwork
from workloads.overlay.hardware import OverlayHardware
from workloads.overlay.parameters import rows_of
from workloads.overlay.recipes import overlay_recipe
from workloads.overlay.run import Session

PROMPT = b"import"
CONTEXT = 16


@dataclass(frozen=True, eq=False)
class Step:
    """A ``program`` on ``memory``, and what it leaves where: the same bytes as in the whole model's program."""

    program: Program
    memory: np.ndarray
    results: dict[int, bytes]


def first_products(tiny: LanguageModel, design: OverlayDesign, new: int, names: Sequence[str]) -> Step:
    """Some of ``key``, ``value`` and ``query`` of the first layer, from codes in the memory to results in it.

    With ``new`` of 1 for the last token of the prompt, else for its first tokens.
    """
    hardware = OverlayHardware(design, recipe=overlay_recipe(design, "nearest"))
    session, tokens = Session(tiny.network, hardware, CONTEXT), tiny.encode(PROMPT)
    inference, position = session.inference, len(tokens) - 1 if new == 1 else 0
    for token in tokens[:position]:
        session.append(token[None])
    inference.put(rows_of(OverlayNetwork(tiny.network, hardware), tokens[position : position + new], position), new)
    compiled, machine = compile_step(inference.decoder, design, new, position + new, CONTEXT), inference.machine
    code = Code(inference.where, new, compiled.length)
    memory = machine.bytes_of[MEMORY][: inference.where.weights(0, "output")].tobytes()

    def bytes_at(region: str, size: int) -> bytes:
        return machine.bytes_of[ACTIVATION][code.at[region] :][:size].tobytes()

    execute(_until(compiled, names[0], first=True), machine, position, new)
    operands = bytes_at("codes", code.at["positions"] - code.at["codes"])
    code.load("codes", "codes", len(memory), len(operands))
    memory += operands
    results = {}
    for name in names:
        execute(_until(compiled, name), machine, position, new)
        results[len(memory)] = bytes_at(name, new * inference.decoder.products[name][1] * FP16_BYTES)
        product(code, 0, name, "codes", name)
        code.store(name, name, len(memory), len(results[len(memory)]))
        memory += bytes(len(results[len(memory)]))
    code.emitter.emit("end", "SYS", operation=SYSTEM.index("end"))
    return Step(code.emitter.program(), np.frombuffer(memory, np.uint8).copy(), results)


def _until(compiled: Compiled, name: str, first: bool = False) -> Program:
    """The program up to the end of a product of the first layer, or to its beginning."""
    numbers = compiled.program.numbers
    engine = (numbers[:, 0] == OPCODES["MM"]) | (numbers[:, 0] == OPCODES["MV"])
    at = np.flatnonzero(engine & (compiled.layers == 0) & (compiled.steps == compiled.names.index(name)))
    end = numbers[-1:].copy()
    end[:, 1] = 0  # waits for none: everything before it has ended all the same
    return Program(np.concatenate([numbers[: at[0] if first else at[-1] + 1], end]))

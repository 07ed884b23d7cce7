"""Products on a small overlay: operands, programs written by hand, and when the simulator has each instruction end."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest

from hdl.bench.vectors import Vectors
from hdl.overlay import transfers
from hdl.overlay.engine_unit import BEFORE, START, product_latency
from hdl.overlay.top import UNITS
from hdl.overlay.walk import SETUP
from hdl.verify.overlay import Run
from sim.kernels.product import matrix_product
from sim.overlay import timing
from sim.overlay.cells import CellLayout
from sim.overlay.dequantizer import zero_code
from sim.overlay.design import OverlayDesign
from sim.overlay.interpreter import Machine, execute
from sim.overlay.interpreter.machine import MEMORY
from sim.overlay.isa import OPCODES, Program
from sim.overlay.isa import UNITS as ALL_UNITS
from sim.overlay.sparsity import sparse
from sim.overlay.tile_cycles import tile_cycles
from sim.overlay.timing import Timing
from sim.quantized import SCHEMES, QuantizedTensor, quantize

WORD = 32
BUFFERS = {"slots": 2, "slot_kib": 8, "activation_buffer_kib": 16, "prefill_step": 16}
DESIGN = OverlayDesign("small", units=1, vector_units=2, chain=4, group_size=32, kept=8, ports=1, queue=2, **BUFFERS)
DENSE = replace(DESIGN, name="dense", slot_kib=2, vector_units=1, chain=8, sparse=False, kept=16, weight_format="uint4")
WEIGHTS, ACTIVATIONS, SPARE = 512, 128, 384


def aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % WORD)


def padded(memory: bytes) -> np.ndarray:
    return np.frombuffer(aligned(memory), np.uint8).copy()


def cells(w: QuantizedTensor, is_sparse: bool, uniform: bool, part: int) -> bytes:
    """Weights as the memory holds them: of each part of ``k``, 16 columns after 16 columns densities, weights, scales."""
    k, n = w.shape
    layout = CellLayout(w.format, part, DESIGN.kept if is_sparse else 16, DESIGN.group_size, False)
    codes = np.pad(w.codes, ((0, -k % part), (0, 0)), constant_values=zero_code(w.format))
    kept = 16 if not is_sparse else DESIGN.kept if uniform else None
    made = sparse(codes, w.format.decode(codes) != 0 if is_sparse else np.ones(codes.shape, bool), w.format, kept)
    data = b""
    for first in range(0, k, part):
        for column in range(n // 16):
            packed = made.part(slice(first // 16, (first + part) // 16), slice(column, column + 1)).pack().tobytes()
            packed = packed if is_sparse else packed[-(-3 * (part // 16) // 8) :]
            assert len(packed) <= layout.code_bytes
            scales = (
                w.scales[0][first // 32 : (first + part) // 32, 16 * column : 16 * column + 16].astype(np.float16).tobytes()
            )
            data += (packed + bytes(layout.code_bytes - len(packed)) + scales).ljust(layout.size, b"\0")
    assert len(data) == layout.size * (n // 16) * -(-k // part)
    return data


def pruned(rng: np.random.Generator, k: int, n: int, uniform: bool) -> np.ndarray:
    """Numbers of which blocks keep 8 of 16, or 0 to 16, half of them at most in the mean of the two of a group."""
    choices = [[8, 8]] if uniform else [[0, 16], [4, 8], [8, 2]]
    columns = [np.concatenate([rng.permutation(rng.choice(choices)) for _ in range(k)])[: k // 16] for _ in range(n // 16)]
    most = np.kron(np.array(columns).T, np.ones((16, 16), int))
    rank = rng.random((k // 16, 16, n)).argsort(axis=1).argsort(axis=1).reshape(k, n)
    return np.where(rank < most, rng.normal(size=(k, n)) + 3, 0).astype(np.float32)


@dataclass(eq=False)
class Product:
    """Operands of a product ``m, k, n``, in cells of ``part`` along ``k``; if ``held`` an instruction for each row of cells."""

    rng: np.random.Generator
    m: int
    k: int
    n: int
    is_sparse: bool
    uniform: bool
    part: int = 0
    held: bool = False
    design: OverlayDesign = DESIGN
    biased: bool = False

    def __post_init__(self) -> None:
        self.part = self.part or -(-self.k // 32) * 32
        numbers = pruned(self.rng, self.k, self.n, self.uniform) if self.is_sparse else self.rng.normal(size=(self.k, self.n))
        self.w = quantize(numbers.astype(np.float32), self.design.schemes[self.design.weight_format], axis=0)
        self.bias = self.rng.normal(size=self.n).astype(np.float16) if self.biased else None
        self.a = quantize(self.rng.normal(size=(self.m, self.k)).astype(np.float32), SCHEMES["int8_token"], axis=1)
        # Rows of an instruction follow one another.
        starts = range(self.part, self.k, self.part) if self.held else []
        self.codes = aligned(b"".join(part.tobytes() for part in np.split(self.a.integers, starts, axis=1)))
        self.scales = aligned(self.a.scales[0].astype(np.float16).tobytes())

    @cached_property
    def weights(self) -> bytes:
        return cells(self.w, self.is_sparse, self.uniform, self.part)

    @property
    def results(self) -> np.ndarray:
        """Of the array's product, with the bias in fp32."""
        results = matrix_product(self.a, self.w)
        return (results if self.bias is None else results + self.bias.astype(np.float32)).astype(np.float16)

    @property
    def row_bytes(self) -> int:
        """Of the cells of a part."""
        return len(self.weights) // -(-self.k // self.part)

    def multiply(self, weights: int, codes: int, scales: int, target: int) -> list[str]:
        """Its instructions, operands at these addresses."""
        opcode, layout = ("MV" if self.m == 1 else "MM"), ("sparse" if self.is_sparse else "dense")
        parts = [(0, self.k)] if not self.held else [(first, self.part) for first in range(0, self.k, self.part)]
        lines = []
        for first, size in parts:
            k = min(size, self.k - first)
            cycles = tile_cycles(DESIGN.engine, 1, k, self.n, 8 if self.is_sparse else 16, opcode.lower(), 32)
            tokens = ("wait=load " if first == 0 else "") + ("signal=load,store " if first + k == self.k else "")
            part = (first > 0) + 2 * (first + k < self.k)
            lines.append(
                f"{opcode} {tokens}weights={weights + first // self.part * self.row_bytes} source={codes + self.m * first} "
                f"scales={scales} target={target} m={self.m} k={k} n={self.n} heads=1 group=1 pitch={2 * self.n} "
                f"layout={layout} part={part} cell={self.part // 16} cycles={cycles}"
            )
        return lines


def program(products: list[Product], contend: bool) -> tuple[str, bytes, list[int]]:
    """Two halves of the buffers in turn: a product's operands are loaded while the one before is computed."""
    memory, lines, places = b"", [], []
    for i, p in enumerate(products):
        weights, activations = i % 2 * WEIGHTS // 2 * WORD, i % 2 * ACTIVATIONS // 2 * WORD
        codes, scales = activations, activations + len(p.codes)
        target = scales + len(p.scales)
        assert len(p.weights) <= WEIGHTS // 2 * WORD
        assert target + 2 * p.m * p.n - activations <= ACTIVATIONS // 2 * WORD
        # what the half held before was read by the engine, and its results by the store
        wait = " wait=engine,store" if i >= 2 else ""
        rows = len(p.weights) // (p.n // 16)
        # activations first, before the product before has results
        lines.append(f"LD{wait} buffer=activation address={codes} memory={len(memory)} size={len(p.codes)} runs=1")
        memory += p.codes
        lines.append(f"LD buffer=activation address={scales} memory={len(memory)} size={len(p.scales)} runs=1")
        memory += p.scales
        load = f"LD signal=engine buffer=weight address={weights} memory={len(memory)}"
        lines.append(f"{load} size={rows} runs={p.n // 16} pitch={rows}")
        memory += p.weights
        lines += p.multiply(weights, codes, scales, target)
        if i == 1 and contend:
            # Under way while the engine writes results, to which it gives way.
            lines.append(f"LD buffer=activation address={ACTIVATIONS * WORD} memory=0 size=256 runs=16 pitch=64")
        places.append(len(memory))
        size = 2 * p.m * p.n
        lines.append(f"ST wait=engine signal=load buffer=activation address={target} memory={len(memory)} size={size} runs=1")
        memory += bytes(size)
    return "\n".join([*lines, "SYS operation=end"]), memory, places


def timed(given: Program, design: OverlayDesign, monkeypatch: pytest.MonkeyPatch) -> Timing:
    """The simulator's times with what this small hardware adds: before the first word or pass, before each pass and each cell,
    behind them. An instruction starts in the last cycle of the one before."""
    durations = timing.durations

    def of_hardware(of: Program, design: OverlayDesign) -> tuple[np.ndarray, np.ndarray]:
        busy, latency = durations(of, design)
        for opcode in ("LD", "ST"):
            busy[of.numbers[:, 0] == OPCODES[opcode]] += transfers.SETUP - 1
            latency[of.numbers[:, 0] == OPCODES[opcode]] += 1
        for opcode in ("MM", "MV"):
            at = of.numbers[:, 0] == OPCODES[opcode]
            columns = -(-of.column(opcode, "n") // (16 * design.vector_units))
            passes = -(-of.column(opcode, "m") // design.engine.tokens(opcode.lower())) * columns
            cells = -(-of.column(opcode, "k") // (16 * of.column(opcode, "cell")))
            busy[at] += START + (BEFORE + SETUP * cells) * passes - 1
            latency[at] += product_latency(design) - design.engine.drain_cycles + 1
        return busy, latency

    with monkeypatch.context() as patched:
        patched.setattr(timing, "durations", of_hardware)
        return timing.simulate(given, design)


def as_simulated(given: Program, vectors: Vectors, run: Run, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of the simulator's interpreter, and each instruction's end when the simulator says."""
    design = run.machine.design
    interpreted = Machine.of(design, image.copy())
    execute(given, interpreted, 0)
    assert (interpreted.bytes_of[MEMORY] == run.machine.memory).all()
    times = timed(given, design, monkeypatch)
    start = int(vectors.inputs["valid"].argmax())
    for unit in UNITS:
        ends = vectors.outputs[f"{unit}_done"].nonzero()[0] - start + 1
        assert ends.tolist() == times.end[times.units == ALL_UNITS.index(unit)].tolist()
    assert vectors.outputs["ended"].argmax() - start == times.begin[-1]

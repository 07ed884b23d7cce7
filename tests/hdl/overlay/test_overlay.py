"""A scaled-down overlay executes programs: what is in memory, and when each instruction ends, as the models have it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hdl.bench.vectors import Vectors, followed
from hdl.export import module_texts
from hdl.overlay import transfers
from hdl.overlay.engine_unit import BEFORE, START, EngineUnit
from hdl.overlay.top import UNITS, Overlay
from hdl.overlay.vector_pass import SETUP
from hdl.tools.verilator import Bench, lint
from hdl.verify.overlay import Run, program_vectors
from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.overlay import timing
from sim.overlay.cells import CellLayout
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.compile import memory_map
from sim.overlay.compiler.image import Linear, Parameters
from sim.overlay.compiler.image import image as image_of
from sim.overlay.compiler.layer import product
from sim.overlay.compiler.memory_map import MemoryMap
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import DENSITIES, tile_cycles
from sim.overlay.interpreter import Machine, execute
from sim.overlay.interpreter.machine import MEMORY as MEMORY_
from sim.overlay.isa import OPCODES, SYSTEM, Program, assemble
from sim.overlay.isa import UNITS as ALL_UNITS
from sim.overlay.sparsity import sparse, sparse_of
from sim.overlay.timing import Timing
from sim.quantized import SCHEMES, QuantizedTensor, quantize

WORD = 32
BUFFERS = {"slots": 2, "slot_kib": 8, "activation_buffer_kib": 16, "prefill_step": 16}
DESIGN = OverlayDesign("small", units=1, vector_units=2, chain=4, group_size=32, kept=8, ports=1, queue=2, **BUFFERS)
DECODER = Decoder("small", 1, 64, 2, 2, 32, 96, 48, 16, rotary=False)
MEMORY, WEIGHTS, ACTIVATIONS, SPARE = 1024, 512, 128, 384
SCHEME = DESIGN.schemes["int4"]


def aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % WORD)


def cells(w: QuantizedTensor, is_sparse: bool) -> bytes:
    """Weights as the weight buffer holds them: densities, weights, scales of groups; of 16 columns after 16 columns."""
    k, n = w.shape
    layout = CellLayout(w.format, k, DESIGN.kept if is_sparse else 16, DESIGN.group_size, False)
    made = sparse(w.codes, w.integers != 0 if is_sparse else np.ones(w.shape, bool), w.format, None if is_sparse else 16)
    data = b""
    for column in range(n // 16):
        packed = made.part(slice(None), slice(column, column + 1)).pack().tobytes()
        codes = packed if is_sparse else packed[-(-3 * (k // 16) // 8) :]
        assert len(codes) <= layout.code_bytes
        scales = w.scales[0][:, 16 * column : 16 * column + 16].astype(np.float16).tobytes()
        data += aligned(codes + bytes(layout.code_bytes - len(codes)) + scales)
    assert len(data) == layout.size * n // 16
    return data


def pruned(rng: np.random.Generator, k: int, n: int, uniform: bool) -> np.ndarray:
    """Numbers of which blocks keep 8 of 16, or 0 to 16, half of them at most in the mean of each column of blocks."""
    choices = [8] * 8 if uniform else [0, 16, 4, 8, 2, 16, 8, 0]
    order = np.concatenate([rng.permutation(choices[: k // 16]) for _ in range(n // 16)])
    most = np.kron(order.reshape(n // 16, k // 16).T, np.ones((16, 16), int))
    rank = rng.random((k // 16, 16, n)).argsort(axis=1).argsort(axis=1).reshape(k, n)
    return np.where(rank < most, rng.normal(size=(k, n)) + 3, 0).astype(np.float32)


class Product:
    """Operands of a product, and where they are in memory."""

    def __init__(self, rng: np.random.Generator, m: int, k: int, n: int, is_sparse: bool, uniform: bool) -> None:
        numbers = pruned(rng, k, n, uniform) if is_sparse else rng.normal(size=(k, n)).astype(np.float32)
        self.m, self.k, self.n, self.is_sparse = m, k, n, is_sparse
        self.w = quantize(numbers, SCHEME, axis=0)
        self.a = quantize(rng.normal(size=(m, k)).astype(np.float32), SCHEMES["int8_token"], axis=1)
        self.weights = cells(self.w, is_sparse)
        self.codes = aligned(self.a.integers.tobytes())
        self.scales = aligned(self.a.scales[0].astype(np.float16).tobytes())

    @property
    def results(self) -> np.ndarray:
        return matrix_product(self.a, self.w).astype(np.float16)


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
        lines.append(f"LD{wait} buffer=weight address={weights} memory={len(memory)} size={rows} runs={p.n // 16} pitch={rows}")
        memory += p.weights
        lines.append(f"LD buffer=activation address={codes} memory={len(memory)} size={len(p.codes)} runs=1")
        memory += p.codes
        lines.append(f"LD signal=engine buffer=activation address={scales} memory={len(memory)} size={len(p.scales)} runs=1")
        memory += p.scales
        columns = p.n // 16 * 16
        cycles = tile_cycles(DESIGN.engine, 1, p.k, columns, 8 if p.is_sparse else 16, "mv" if p.m == 1 else "mm", 32)
        opcode, layout = ("MV" if p.m == 1 else "MM"), ("sparse" if p.is_sparse else "dense")
        lines.append(
            f"{opcode} wait=load signal=load,store weights={weights} source={codes} scales={scales} target={target} "
            f"m={p.m} k={p.k} n={p.n} heads=1 group=1 pitch={2 * p.n} layout={layout} cell={p.k // 16} cycles={cycles}"
        )
        if i == 1 and contend:
            # Under way while the engine writes results, to which it gives way.
            lines.append(f"LD buffer=activation address={ACTIVATIONS * WORD} memory=0 size=256 runs=16 pitch=64")
        places.append(len(memory))
        size = 2 * p.m * p.n
        lines.append(f"ST wait=engine signal=load buffer=activation address={target} memory={len(memory)} size={size} runs=1")
        memory += bytes(size)
    return "\n".join([*lines, "SYS operation=end"]), memory, places


def products(rng: np.random.Generator, uniform: bool) -> list[Product]:
    shapes = [(3, 128, 64, True), (1, 128, 48, True), (2, 96, 32, False), (4, 64, 32, True), (1, 32, 16, False)]
    return [Product(rng, *shape, uniform) for shape in shapes]


def timed(given: Program, monkeypatch: pytest.MonkeyPatch) -> Timing:
    """The simulator's times with what this small hardware adds: before the first word or pass, before each pass, behind them.

    An instruction starts in the last cycle of the one before.
    """
    engine, durations = EngineUnit(DESIGN, WEIGHTS, ACTIVATIONS), timing.durations

    def of_hardware(of: Program, design: OverlayDesign) -> tuple[np.ndarray, np.ndarray]:
        busy, latency = durations(of, design)
        for opcode in ("LD", "ST"):
            busy[of.numbers[:, 0] == OPCODES[opcode]] += transfers.SETUP - 1
            latency[of.numbers[:, 0] == OPCODES[opcode]] += 1
        for opcode in ("MM", "MV"):
            at = of.numbers[:, 0] == OPCODES[opcode]
            columns = -(-of.column(opcode, "n") // (16 * DESIGN.vector_units))
            passes = -(-of.column(opcode, "m") // DESIGN.engine.tokens(opcode.lower())) * columns
            busy[at] += START + (BEFORE + SETUP) * passes - 1
            latency[at] += engine.latency - DESIGN.engine.drain_cycles + 1
        return busy, latency

    with monkeypatch.context() as patched:
        patched.setattr(timing, "durations", of_hardware)
        return timing.simulate(given, DESIGN)


@pytest.fixture(scope="module")
def bench(build_dir: Path) -> Bench:
    overlay = Overlay(DESIGN, MEMORY, WEIGHTS, ACTIVATIONS + SPARE)
    return Bench.of([*overlay.parts, overlay], build_dir, "-O0")


def as_simulated(given: Program, vectors: Vectors, run: Run, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of the simulator's interpreter, and each instruction's end when the simulator says."""
    interpreted = Machine.of(DESIGN, image.copy())
    execute(given, interpreted, 0)
    assert (interpreted.bytes_of[MEMORY_] == run.machine.memory).all()
    times = timed(given, monkeypatch)
    start = int(vectors.inputs["valid"].argmax())
    for unit in UNITS:
        ends = vectors.outputs[f"{unit}_done"].nonzero()[0] - start + 1
        assert ends.tolist() == times.end[times.units == ALL_UNITS.index(unit)].tolist()
    assert vectors.outputs["ended"].argmax() - start == times.begin[-1]


def padded(memory: bytes) -> np.ndarray:
    image = np.zeros(MEMORY * WORD, np.uint8)
    image[: len(memory)] = np.frombuffer(memory, np.uint8)
    return image


def test_programs(bench: Bench, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    for uniform, rate in ((True, 1), (False, 0.02), (False, 1)):
        of = products(rng, uniform)
        densities = np.unique(np.concatenate([sparse_of(p.w).densities.reshape(-1) for p in of]))
        assert set(densities) == ({8, 16} if uniform else set(DENSITIES))
        text, memory, places = program(of, not uniform)
        given, image = assemble(text), padded(memory)
        vectors, run = program_vectors(DESIGN, image, given, (WEIGHTS, ACTIVATIONS + SPARE), rng, rate)
        for p, at in zip(of, places, strict=True):
            found = run.machine.memory[at : at + 2 * p.m * p.n].view(np.float16).reshape(p.m, p.n)
            assert found.tobytes() == p.results.tobytes()
        if uniform:
            # The simulator has one N for all blocks, and nobody waits for a buffer's port.
            as_simulated(given, vectors, run, image, monkeypatch)
        assert bench.run(vectors) == []
    assert run.gave_way
    # A reset while units are at work, and all of it from the beginning.
    assert bench.run(followed(vectors, 900, vectors)) == []
    for port in ("host_read", "engine_done"):
        cycle = int(vectors.checked[port].nonzero()[0][-40])
        outputs = {**vectors.outputs, port: vectors.outputs[port].copy()}
        outputs[port][cycle] ^= 1
        found_at = [(difference.port, difference.cycle) for difference in bench.run(replace(vectors, outputs=outputs))]
        assert found_at == [(port, cycle)]


def compiled(rng: np.random.Generator, where: MemoryMap, new: int) -> tuple[Program, np.ndarray, list[tuple[int, Product]]]:
    """Three products of a decoder's layer as the compiler writes them, from codes that are loaded to results."""
    of = {name: Product(rng, new, *shape, True, True) for name, shape in DECODER.products.items()}
    norms = {name: np.ones((1, DECODER.hidden), np.float16) for name in ("attention_norm", "network_norm")}
    linear = {name: Linear(p.w) for name, p in of.items()}
    head = linear.pop("head")
    memory = image_of(where, Parameters((linear,), (norms,), norms["network_norm"], head)).tobytes()
    code, places = Code(where, new, DECODER.context), []
    memory = aligned(memory)
    for name, source, target in (("gate", "codes", "gate"), ("up", "codes", "up"), ("down", "up_codes", "branch")):
        operands, size = of[name].codes + of[name].scales, 2 * new * of[name].n
        code.load(name, source, len(memory), len(operands))
        product(code, 0, name, source, target)
        memory += operands
        code.store(name, target, len(memory), size)
        places.append((len(memory), of[name]))
        memory += bytes(size)
    code.emitter.emit("end", "SYS", operation=SYSTEM.index("end"))
    return code.emitter.program(), padded(memory), places


@pytest.mark.parametrize("new", [1, 5])
def test_what_the_compiler_writes(bench: Bench, seed: int, new: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    given, image, places = compiled(rng, memory_map(DECODER, DESIGN, DECODER.context), new)
    vectors, run = program_vectors(DESIGN, image, given, (WEIGHTS, ACTIVATIONS + SPARE), rng)
    as_simulated(given, vectors, run, image, monkeypatch)
    for at, p in places:
        assert run.machine.memory[at : at + 2 * p.m * p.n].tobytes() == p.results.tobytes()
    assert bench.run(vectors) == []


def test_verilog_has_no_warnings(tmp_path: Path) -> None:
    overlay = Overlay(DESIGN, MEMORY, WEIGHTS, ACTIVATIONS + SPARE)
    for name, text in module_texts((*overlay.parts, overlay)).items():
        (tmp_path / name).write_text(text)
    assert lint(sorted(tmp_path.glob("*.v")), overlay.module_name) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": 2}, "has 1 unit, not 2"),
        ({"chain": 2}, "with a chain of at least 4, not of 2"),
        ({"ports": 2}, "has one port of 32 byte/cycle"),
        ({"vector_units": 9}, "at most 8 vector units, not 9"),
        ({"weight_format": "e2m1"}, "signed weights in units of 1, which are not those of e2m1"),
        ({"weight_format": "uint4", "kept": 16}, "which are not those of uint4"),
        ({"group_size": 48}, "groups of a power of two, not of 48"),
        ({"queue": 3}, "queues of a power of two, not of 3"),
        ({"chain": 16}, "with their indices at once, 256 bit, which 32 of int8 are not"),
    ],
)
def test_designs_without_hardware(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Overlay(replace(DESIGN, **change), MEMORY, WEIGHTS, ACTIVATIONS)

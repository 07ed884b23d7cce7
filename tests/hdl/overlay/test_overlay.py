"""A scaled-down overlay executes programs: what is in memory, and when each instruction ends, as the models have it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hdl.bench.vectors import followed
from hdl.overlay.top import Overlay
from hdl.tools.verilator import Bench, lint
from hdl.verify.overlay import program_vectors
from sim.errors import InputError
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.compile import memory_map
from sim.overlay.compiler.image import Linear, Parameters
from sim.overlay.compiler.image import image as image_of
from sim.overlay.compiler.layer import product
from sim.overlay.compiler.memory_map import MemoryMap
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import DENSITIES
from sim.overlay.isa import SYSTEM, Program, assemble
from sim.overlay.isa.instructions import GOES_ON, LEAVES
from sim.overlay.sparsity import sparse_of
from tests.hdl.overlay.embedded import first_products
from tests.hdl.overlay.programs import (
    ACTIVATIONS,
    DENSE,
    DESIGN,
    SPARE,
    WEIGHTS,
    Product,
    aligned,
    as_simulated,
    padded,
    program,
)
from workloads.checkpoint import LanguageModel

DECODER = Decoder("small", 1, 64, 2, 2, 32, 96, 48, 16, rotary=False, biases=("up", "down"))
MEMORY = 4096


def products(rng: np.random.Generator, uniform: bool) -> list[Product]:
    """Of one cell along ``k`` and of several, the last not full; in one instruction, or one for each part with held sums."""
    return [
        Product(rng, 3, 128, 64, True, uniform, part=64),
        Product(rng, 1, 160, 48, True, uniform, part=64, held=True),
        Product(rng, 2, 96, 32, False, uniform, part=64),
        Product(rng, 4, 64, 32, True, uniform),
        Product(rng, 3, 96, 48, False, uniform, part=32, held=True),
        Product(rng, 1, 32, 16, False, uniform),
    ]


def bench_of(design: OverlayDesign, build_dir: Path) -> Bench:
    """Built once."""
    overlay = Overlay(design, MEMORY, WEIGHTS, ACTIVATIONS + SPARE)
    return Bench.of([*overlay.parts, overlay], build_dir, "-O0")


@pytest.fixture(scope="module")
def bench(build_dir: Path) -> Bench:
    return bench_of(DESIGN, build_dir)


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
    design, biases = where.design, DECODER.biases
    of = {
        name: Product(rng, new, *shape, design.is_sparse, not design.per_block, design=design, biased=name in biases)
        for name, shape in DECODER.products.items()
    }
    norms = {name: np.ones((1, DECODER.hidden), np.float16) for name in ("attention_norm", "network_norm")}
    linear = {name: Linear(p.w, p.bias) for name, p in of.items()}
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


PER_BLOCK = replace(DESIGN, name="per_block", per_block=True)


@pytest.mark.parametrize(("design", "new"), [(PER_BLOCK, 5), (DENSE, 1), (DENSE, 3)], ids=lambda of: getattr(of, "name", of))
def test_what_the_compiler_writes(
    design: OverlayDesign, build_dir: Path, seed: int, new: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two products have biases. Blocks each have their own N, on which neither code nor time depends; or weights are dense, and
    have zero points."""
    rng = np.random.default_rng(seed)
    given, image, places = compiled(rng, memory_map(DECODER, design, DECODER.context), new)
    vectors, run = program_vectors(design, image, given, (WEIGHTS, ACTIVATIONS + SPARE), rng)
    as_simulated(given, vectors, run, image, monkeypatch)
    for at, p in places:
        assert run.machine.memory[at : at + 2 * p.m * p.n].tobytes() == p.results.tobytes()
    assert bench_of(design, build_dir).run(vectors) == []
    if design.is_sparse:
        densities = np.unique(np.concatenate([sparse_of(p.w).densities.reshape(-1) for _, p in places]))
        assert densities.tolist() == list(DENSITIES)


@pytest.mark.parametrize(("new", "names"), [(1, ("key", "query")), (2, ("value",))], ids=["decode", "prefill"])
def test_products_of_the_embedded_model(
    bench: Bench, tiny: LanguageModel, new: int, names: tuple[str, ...], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles of several cells along ``k``: in a decode step a row of cells an instruction, whose sums are held."""
    step = first_products(tiny, DESIGN, new, names)
    parts = step.program.column("MV" if new == 1 else "MM", "part")
    assert set(parts) == ({LEAVES, GOES_ON | LEAVES, GOES_ON} if new == 1 else {0})
    vectors, run = program_vectors(
        DESIGN, step.memory, step.program, (WEIGHTS, ACTIVATIONS + SPARE), np.random.default_rng(seed)
    )
    as_simulated(step.program, vectors, run, step.memory, monkeypatch)
    for at, results in step.results.items():
        assert run.machine.memory[at : at + len(results)].tobytes() == results
    assert bench.run(vectors) == []


@pytest.mark.parametrize("design", [DESIGN, DENSE], ids=lambda design: design.name)
def test_verilog_has_no_warnings(design: OverlayDesign, build_dir: Path) -> None:
    bench = bench_of(design, build_dir)
    assert lint([bench.folder / name for name in bench.files if name != "bench.v"], bench.duts[0].module) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": 2}, "has 1 unit, not 2"),
        (
            {"chain": 2},
            "with multiplexers has a chain of 4 or 8, not of 2: it reads a cycle's weights as whole bytes of one word",
        ),
        ({"ports": 2}, "has one port of 32 byte/cycle"),
        ({"vector_units": 9}, "at most 8 vector units, not 9"),
        ({"weight_format": "e2m1"}, "weights in units of 1, which are not those of e2m1"),
        ({"group_size": 48}, "groups of a power of two, not of 48"),
        ({"queue": 3}, "queues of a power of two, not of 3"),
        ({"chain": 16}, "with multiplexers has a chain of 4 or 8, not of 16"),
        ({"chain": 16, "sparse": False, "kept": 16}, "without multiplexers has a chain of 4 or 8, not of 16"),
    ],
)
def test_designs_without_hardware(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Overlay(replace(DESIGN, **change), MEMORY, WEIGHTS, ACTIVATIONS)

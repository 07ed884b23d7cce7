"""The dequantization unit's Verilog: every code of every format, zero points too, while somebody waits now and then."""

from collections import deque
from pathlib import Path

import numpy as np

from hdl.bench.vectors import Vectors, followed
from hdl.overlay.dequantizer import Dequantizer, code_bits, zero_bits
from hdl.tools.verilator import Bench
from sim.overlay.dequantizer import EXPANDED, expand
from sim.overlay.engine import Engine

ENGINE = Engine(1, 1, 1, weight_formats=tuple(EXPANDED))


def beats(rng: np.random.Generator) -> list[tuple[int, np.ndarray, int]]:
    """Number of the format, codes of both multipliers, the zero point: each code of each format; all zeros of short ones."""
    found = []
    for number, format_ in enumerate(EXPANDED.values()):
        size = len(format_.values)
        zeros = {*range(min(size, 16)), size // 2, size - 1} if format_.is_integer and not format_.signed else {0}
        for zero in zeros:
            found += [(number, codes, zero) for codes in rng.permutation(size).reshape(-1, ENGINE.multipliers)]
    return found


def run(rng: np.random.Generator, rate: float) -> Vectors:
    waiting = deque(beats(rng))
    rows: dict[str, list[int]] = {}
    held: int | None = None
    offered = False
    while waiting or held is not None:
        offered = bool(waiting) and (offered or rng.random() < rate)
        taken = int(rng.random() < rate)
        ready = held is None or taken == 1
        number, codes, zero = waiting[0] if offered else (0, np.zeros(2, int), 0)
        word = sum(int(code) << i * code_bits(ENGINE) for i, code in enumerate(codes))
        given = {"valid": offered, "codes": word, "format": number, "zeros": zero, "weights_ready": taken}
        for name, value in {**given, "ready": ready, "weights_valid": held is not None, "weights": held or 0}.items():
            rows.setdefault(name, []).append(int(value))
        if ready:
            held = None
            if offered:
                format_ = list(EXPANDED.values())[number]
                has_zero = format_.is_integer and not format_.signed
                expanded = expand(format_, codes, np.array([zero]) if has_zero else None)
                held = sum((int(value) & 255) << 8 * i for i, value in enumerate(expanded))
                waiting.popleft()
                offered = False
    arrays = {name: np.array(values) for name, values in rows.items()}
    outputs = {name: arrays.pop(name) for name in ("ready", "weights_valid", "weights")}
    valid = outputs["weights_valid"] == 1
    return Vectors(arrays, outputs, {"ready": valid | True, "weights_valid": valid | True, "weights": valid})


def test_every_code_of_every_format(build_dir: Path, seed: int) -> None:
    assert zero_bits(ENGINE) == 7
    rng = np.random.default_rng(seed)
    at_once, halting = run(rng, 1), run(rng, 0.6)
    vectors = followed(at_once, at_once.cycles, followed(halting, halting.cycles // 2, at_once.until(999)))
    assert Bench.of([Dequantizer(ENGINE)], build_dir, "-O0").run(vectors) == []

"""Group sums of the engine's chains against sums of Python integers and the exact kernels, extremes of all kinds included."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.kernels.product import matrix_product
from sim.overlay.chain import Kept, group_sums, paired_columns
from sim.overlay.dequantizer import EXPANDED, expand
from sim.overlay.elements import CHAINS, ELEMENTS
from sim.overlay.engine import DENSITIES, Engine
from sim.overlay.sparsity import sparse, sparse_of
from sim.quantized import SCHEMES, QuantizedTensor, quantize
from tests.sim.overlay.test_sparsity import random_weights

INT8 = FORMATS["int8"]
INTEGERS = [name for name, element in ELEMENTS.items() if element.quantized]
ENGINES = [Engine(2, 2, chain, element) for chain, element in product(CHAINS, INTEGERS)]
DENSE = [Engine(2, 2, chain, element, sparse=False) for chain, element in product(CHAINS, INTEGERS)]


def by_hand(activations: np.ndarray, weights: np.ndarray, group_size: int) -> list[list[list[int]]]:
    """Sums ``[groups, m, n]`` of Python's integers."""
    k = len(weights)
    return [
        [[sum(int(row[i]) * int(w[i]) for i in range(g, min(k, g + group_size))) for w in weights.T] for row in activations]
        for g in range(0, k, group_size)
    ]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: f"{e.element}-{e.chain}")
def test_random_maps(engine: Engine, rng: np.random.Generator) -> None:
    codes, mask = random_weights(rng, INT8, 64, 32)
    weights = sparse(codes, mask, INT8)
    dense = expand(INT8, weights.dense())
    for mode, m, group_size in (("mm", 3, 16), ("mv", 1, 48), ("mm", 2, 0), ("mv", 2, 32)):
        activations = rng.integers(-128, 128, (m, 64)).astype(np.int8)
        sums = group_sums(engine, activations, Kept.of_sparse(weights), mode, group_size)
        assert sums.tolist() == by_hand(activations, dense, group_size or 64)


@pytest.mark.parametrize("engine", DENSE, ids=lambda e: f"{e.element}-{e.chain}")
def test_random_dense_weights(engine: Engine, rng: np.random.Generator) -> None:
    weights = rng.integers(-128, 128, (64, 32)).astype(np.int8)
    for mode, m, group_size in (("mm", 3, 16), ("mv", 1, 48), ("mv", 2, 0)):
        activations = rng.integers(-128, 128, (m, 64)).astype(np.int8)
        sums = group_sums(engine, activations, Kept.of_dense(weights), mode, group_size)
        assert sums.tolist() == by_hand(activations, weights, group_size or 64)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("element", INTEGERS)
def test_extremes(density: int, element: str) -> None:
    """All of the same sign, both lanes of opposite ones, alternating: nothing leaves a lane."""
    mask = np.arange(16)[:, None] < np.full((16, 16), density)
    for chain, w, a0, a1 in product((2, 8, 16), (-128, 127), (-128, 127, -1), (-128, 127, 1)):
        weights = np.where(mask, w, 0)
        weights[1::2] *= -1 if w == 127 and a1 == 1 else 1
        activations = np.stack([np.full(16, a0), np.full(16, a1)]).astype(np.int8)
        kept = Kept.of_sparse(sparse(weights & 255, mask, INT8))
        sums = group_sums(Engine(1, 1, chain, element), activations, kept)
        assert sums.tolist() == by_hand(activations, weights, 16)


@pytest.mark.parametrize(("chain", "element"), [*product((8, 16), INTEGERS)])
def test_extremes_of_two_columns(chain: int, element: str) -> None:
    """One activation, the weights of both columns: of the same sign, of opposite ones, a borrow of the least number."""
    engine = Engine(1, 1, chain, element, sparse=False)
    side = engine.multipliers // 16
    for a, w0, w1 in product((-128, 127, -1, 1), (-128, 127, -1, 0), (-128, 127, 1)):
        lanes = np.arange(16) // side % 2
        weights = np.broadcast_to(np.where(lanes, w1, w0), (32, 16)).astype(np.int8)
        activations = np.full((1, 32), a, np.int8)
        sums = group_sums(engine, activations, Kept.of_dense(weights), "mv", 16)
        assert sums.tolist() == by_hand(activations, weights, 16)


def test_columns_of_a_pair_by_hand() -> None:
    """Of 32 weights a beat has columns 0 and 1, of 64 columns 0 and 1 beside 2 and 3."""
    for chain, first in ((8, [[0, 1], [2, 3], [4, 5]]), (16, [[0, 2], [1, 3], [4, 6]])):
        pairs = paired_columns(Engine(1, 1, chain, sparse=False))
        assert pairs[:3].tolist() == first
        assert sorted(pairs.reshape(-1)) == list(range(16))


def test_an_adjustment_too_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight products of -128 x -128 do not fit a lane of 18 bits: a run of 8 is refused, as the slice's model says."""
    monkeypatch.setattr(Engine, "run", 8)
    extreme = np.full((16, 16), -128, np.int8)
    with pytest.raises(InputError, match="at most 7 cycles, not 8"):
        group_sums(Engine(1, 1, 8), extreme, Kept.of_dense(extreme))


@pytest.mark.parametrize("name", [name for name, f in EXPANDED.items() if 0 in f.values and f.bits > 2 and name in FORMATS])
def test_results_of_the_exact_kernels(name: str, rng: np.random.Generator) -> None:
    """The engine's sums, scaled as the epilogue does, are ``matrix_product`` of the tensor in which pruned weights are 0."""
    scheme = replace(SCHEMES["int4_g128"], format=FORMATS[name], group_size=32)
    mask = random_weights(rng, INT8, 96, 32)[1]
    numbers = np.where(mask, rng.normal(size=(96, 32)), 0).astype(np.float32)
    w = quantize(numbers if FORMATS[name].signed else np.abs(numbers), scheme, axis=0)
    a = quantize(rng.normal(size=(4, 96)).astype(np.float32), SCHEMES["int8_token"], axis=1)
    sums = group_sums(Engine(1, 2, 4), a.integers, Kept.of_sparse(sparse_of(w)), "mm", 32)
    total = np.zeros((4, 32), np.float32)
    for group, scale in zip(sums, w.level_values(0), strict=True):
        total += np.ldexp(scale, w.format.lsb) * group.astype(np.float32)
    assert (total * a.level_values(0) == matrix_product(a, w)).all()


def test_zero_points_are_subtracted_before(rng: np.random.Generator) -> None:
    scheme = replace(SCHEMES["uint4_g128"], group_size=16)
    w: QuantizedTensor = quantize(rng.normal(size=(40, 20)).astype(np.float32), scheme, axis=0)
    a = rng.integers(-128, 128, (3, 40)).astype(np.int8)
    centred = expand(w.format, w.codes, np.repeat(w.zero_point, 16, axis=0)[:40])
    sums = group_sums(Engine(1, 1, 2), a, Kept.of_dense(centred), "mm", 16)
    assert sums[:, :, :20].tolist() == by_hand(
        a, w.codes.astype(int) - np.repeat(w.zero_point.astype(int), 16, axis=0)[:40], 16
    )
    assert not sums[:, :, 20:].any()


def test_wrong_operands() -> None:
    every = np.ones((16, 16), np.int8)
    kept = Kept.of_dense(every)
    for call, message in (
        (lambda: group_sums(Engine(), every.astype(np.int64), kept), "int8 .m, k., not int64"),
        (lambda: group_sums(Engine(), np.ones((1, 17), np.int8), kept), "the k of 1 blocks of weights, not 17"),
        (lambda: group_sums(Engine(), every, kept, "mx"), "unknown mode of an engine 'mx'"),
        (lambda: group_sums(Engine(), every, kept, "mm", 8), "such as 16, not 8"),
        (lambda: Kept.of_dense(every.astype(np.int16)), "expanded weights are int8 .k, n., not int16"),
    ):
        with pytest.raises(InputError, match=message):
            call()

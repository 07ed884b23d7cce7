"""Operations that reduce rows: the judge's bits, bounds of errors, order of sums, what is left out, quantized rows."""

from fractions import Fraction

import numpy as np
import pytest

from sim.design import DesignPoint
from sim.errors import InputError
from sim.kernels.rows import folded
from sim.overlay.isa.instructions import SPECIAL
from sim.overlay.special import OPERATIONS, layer_norm, quantize, quantize_folded, rms_norm, softmax
from sim.overlay.special.functions import ROOT_ERROR
from sim.overlay.special.reduction import row_totals, sum_error
from sim.overlay.special.softmax import error_bound
from sim.quantized import quantize as of_schemes
from sim.reference import special as judge
from tests.sim.overlay.special.operands import Halves, errors, fractions, places, rows_of

LANES = (1, 4, 32)
EPSILON = 1e-5


def causal(rows: int, columns: int) -> np.ndarray:
    return np.arange(columns) <= np.arange(rows)[:, None] * columns // rows


def vectors(rng: np.random.Generator, columns: int) -> tuple[Halves, Halves]:
    return (1 + rng.normal(size=columns) / 4).astype(np.float16), rng.normal(size=columns).astype(np.float16)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("columns", [1, 5, 70])
def test_bits_of_the_judge(columns: int, lanes: int, rng: np.random.Generator) -> None:
    rows = rows_of(rng, columns)
    weight, bias = vectors(rng, columns)
    seen = causal(len(rows), columns)
    w, b = fractions(weight), fractions(bias)
    of_softmax = softmax(rows, 0.125, lanes, seen)
    small = (rows / np.float16(8)).astype(np.float16)
    rms, layer = rms_norm(small, weight, EPSILON, lanes), layer_norm(small, weight, bias, EPSILON, lanes)
    for i, row in enumerate(map(fractions, rows)):
        assert fractions(of_softmax[i]) == judge.softmax(row, 0.125, lanes, seen[i].tolist())
        less = fractions(small[i])
        assert fractions(rms[i]) == judge.rms_norm(less, w, EPSILON, lanes)
        assert fractions(layer[i]) == judge.layer_norm(less, w, b, EPSILON, lanes)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("scale", [1.0, 128**-0.5, 0.01])
def test_probabilities_are_near_the_exact_ones(scale: float, lanes: int, rng: np.random.Generator) -> None:
    for columns in (2, 37, 1500):
        x = rows_of(rng, columns)
        seen = causal(len(x), columns)
        found = softmax(x, scale, lanes, seen)
        scores = np.where(seen, x.astype(np.float64) * scale, -np.inf)
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        worst = errors(found, e / e.sum(axis=1, keepdims=True)).max()
        print(f"{columns} columns, {lanes} lanes: {worst:.4f} of {error_bound(columns, lanes):.4f} ulp")
        assert worst < error_bound(columns, lanes)
        assert (found[~seen] == 0).all()


def test_what_is_not_seen_and_what_follows_changes_nothing(rng: np.random.Generator) -> None:
    """A step that sees 300 tokens, alone and as a row of a prefill, behind which others have greater scores or any."""
    row = rng.normal(scale=4, size=(1, 300)).astype(np.float16)
    alone = softmax(row, 0.125, 16)
    longer = np.concatenate([row, rng.choice([65504, -65504, 0], (1, 700))], axis=1).astype(np.float16)
    among = softmax(longer, 0.125, 16, np.arange(1000)[None] < 300)
    assert among[:, :300].tobytes() == alone.tobytes()
    assert among[:, 300:].tobytes() == bytes(2 * 700)


def test_probabilities_by_hand() -> None:
    """Equal scores; one that takes all; the last three are 2**-1, 2**-2, 2**-2, for their difference is ln 2 in fp16 steps."""
    assert softmax(np.zeros((1, 8), np.float16), 1.0, 4).tolist() == [[0.125] * 8]
    assert softmax(np.array([[-65504, 65504]], np.float16), 1.0, 1).tolist() == [[0, 1]]
    found = softmax(np.array([[0.6931, 0, 0]], np.float16), 1.0, 2)[0]
    assert found.tolist() == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("lanes", LANES)
def test_norms_are_near_the_exact_ones(lanes: int, rng: np.random.Generator) -> None:
    """Within the bounds of their docstrings: half a place, and what the unit's own numbers are off by."""
    for columns in (1, 40, 900):
        x = (rows_of(rng, columns) / np.float16(8)).astype(np.float16)
        weight, bias = vectors(rng, columns)
        exact = x.astype(np.float64)
        sums = sum_error(columns, lanes)
        relative = ROOT_ERROR + 5 * 2.0**-24 + sums / 2
        truth = exact / np.sqrt((exact**2).mean(axis=1, keepdims=True) + EPSILON) * weight
        off = np.abs(rms_norm(x, weight, EPSILON, lanes) - truth)
        assert (off <= places(truth) / 2 + relative * np.abs(truth)).all()
        mean = exact.mean(axis=1, keepdims=True)
        deviation = np.sqrt(((exact - mean) ** 2).mean(axis=1, keepdims=True) + EPSILON)
        scaled = (exact - mean) / deviation * weight
        of_mean = (sums + 2 * 2.0**-24) * np.abs(exact).mean(axis=1, keepdims=True) / deviation * np.abs(weight)
        off = np.abs(layer_norm(x, weight, bias, EPSILON, lanes) - (scaled + bias))
        allowed = places(scaled + bias) / 2 + (relative + 2.0**-24) * np.abs(scaled) + 2.0**-24 * np.abs(bias) + of_mean
        assert (off <= allowed).all(), (columns, (off - allowed).max())


def test_an_order_of_additions_by_hand() -> None:
    """Two lanes, ``s = 2**-24``, half a place of 1. Blocks (1, s), (s, s), (s, 0), (0, 0), (s, 0) make 1, 2s, s, 0, s; the
    first and the last go to one accumulator, which stays 1. (1 + 2s) + (s + 0) is a tie, whose even neighbour is 1 + 4s.
    """
    small = 2.0**-24
    row = np.array([[1, small, small, small, small, 0, 0, 0, small]], np.float32)
    assert row_totals(row, 2).tolist() == [[1 + 2.0**-22]]
    assert judge.row_total([Fraction(x) for x in row[0].tolist()], 2) == 1 + Fraction(1, 2**22)
    assert row_totals(row, 1).tolist() != row_totals(row, 2).tolist()


@pytest.mark.parametrize("lanes", [1, 2, 8, 64])
def test_sums_of_the_judge(lanes: int, rng: np.random.Generator) -> None:
    """Of numbers of several binades, where each order rounds in another way."""
    rows = (rng.normal(size=(4, 450)) * 2.0 ** rng.integers(-12, 12, (4, 450))).astype(np.float32)
    for row, total in zip(rows, row_totals(rows, lanes)[:, 0], strict=True):
        assert Fraction(float(total)) == judge.row_total([Fraction(x) for x in row.tolist()], lanes)


def test_products_of_norms_in_their_order(rng: np.random.Generator) -> None:
    """Of one number in thousands a tie is decided by which two factors are multiplied first."""
    x = rng.normal(size=(12, 700)).astype(np.float16)
    weight = (1 + rng.normal(size=700) / 4).astype(np.float16)
    for row, found in zip(x, rms_norm(x, weight, EPSILON, 64), strict=True):
        assert fractions(found) == judge.rms_norm(fractions(row), fractions(weight), EPSILON, 64)


@pytest.mark.parametrize("columns", [1, 64, 200])
def test_quantized_rows(columns: int, rng: np.random.Generator) -> None:
    """The codes and scales that a design's own activations get, and those of exact quotients."""
    x = rows_of(rng, columns)
    found = quantize(x)
    assert found == of_schemes(x.astype(np.float32), DesignPoint("d", activation_format="int8").activation_scheme, axis=1)
    for row, codes, scale in zip(x, found.integers, found.level_values(0)[:, 0], strict=True):
        assert (codes.tolist(), Fraction(float(scale))) == judge.quantize(fractions(row))


def test_quantized_rows_at_midpoints() -> None:
    """Halves between codes, for every scale that a multiple of 127 gives, and all subnormal rows."""
    halves = np.arange(-254, 255) / 2
    rows = np.stack([halves * 2.0**power for power in range(-24, 10)]).astype(np.float16)
    tiny = np.arange(1, 1024, 7)[:, None] * 2.0**-24 * np.array([1, -0.5, 0.25, 0.999])
    for x in (rows, tiny.astype(np.float16)):
        found = quantize(x)
        for row, codes, scale in zip(x, found.integers, found.level_values(0)[:, 0], strict=True):
            assert (codes.tolist(), Fraction(float(scale))) == judge.quantize(fractions(row))


@pytest.mark.parametrize("columns", [1, 90])
def test_folded_rows(columns: int, rng: np.random.Generator) -> None:
    x = rows_of(rng, columns)
    factors = np.exp(rng.normal(scale=3, size=columns)).astype(np.float16)
    tensor, powers = quantize_folded(x, factors)
    assert powers.tolist() == folded(x.astype(np.float32), factors.astype(np.float32))[1].tolist()
    for row, codes, scale, power in zip(x, tensor.integers, tensor.level_values(0)[:, 0], powers[:, 0], strict=True):
        judged = judge.quantize_folded(fractions(row), fractions(factors))
        assert (codes.tolist(), Fraction(float(scale)), Fraction(float(power))) == judged


REFUSED = {
    "scale of softmax is between": lambda: softmax(np.zeros((1, 2), np.float16), 1.5, 4),
    "each row of softmax sees one": lambda: softmax(np.zeros((1, 2), np.float16), 1.0, 4, np.zeros((1, 2), np.bool_)),
    "lanes of the special-function unit are a power": lambda: softmax(np.zeros((1, 2), np.float16), 1.0, 3),
    "epsilon of a norm is between": lambda: rms_norm(np.zeros((1, 2), np.float16), np.ones(2, np.float16), 0.0, 4),
    "rows of rms_norm have 2 numbers": lambda: rms_norm(np.zeros((1, 2), np.float16), np.ones(3, np.float16), 1e-5, 4),
    "rows of quantize have two axes": lambda: quantize(np.zeros(2, np.float16)),
    "rows and columns of at least 1": lambda: OPERATIONS["add"].cycles(0, 1, 4),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(message: str) -> None:
    with pytest.raises(InputError, match=message):
        REFUSED[message]()


CYCLES = {
    "add": 3 * 2 + 4 + 1,
    "multiply": 3 * 2 + 3 + 1,
    "relu": 3 * 2 + 1,
    "silu": 3 * 2 + 3 + 6 + 4 + 9 + 6 + 1,
    "gelu": 3 * 2 + 1 + 5 + 6 + 4 + 3 + 1,
    "gelu_tanh": 3 * 2 + 9 + 4 + 1 + 6 + 4 + 9 + 6 + 1,
    "rotary": 3 * 2 + 3 + 1 + 4 + 1,
    "softmax": 3 * 3 * 2 + (3 + 7) + (3 + 6 + 36 + 9) + (3 + 6 + 3 + 1),
    "rms_norm": 2 * 3 * 2 + (3 + 36 + 3 + 4 + 15) + 7,
    "layer_norm": 3 * 3 * 2 + (36 + 3) + (4 + 3 + 36 + 3 + 4 + 15) + (8 + 6 + 1),
    "quantize": 2 * 3 * 2 + (7 + 12) + 12,
    "quantize_heads": 2 * 3 * 2 + (7 + 12) + 12,
    "quantize_folded": 2 * 3 * 2 + (3 + 7 + 12) + (3 + 12),
}
"""Of 3 rows of 100 on 64 lanes, by hand: a tree has 6 levels, of 4 cycles for sums and of 1 for comparisons."""


def test_every_operation_of_an_instruction_is_there() -> None:
    assert OPERATIONS.keys() == set(SPECIAL)


@pytest.mark.parametrize("name", OPERATIONS)
def test_cycles_by_hand(name: str) -> None:
    assert OPERATIONS[name].cycles(3, 100, 64) == CYCLES[name]
    assert OPERATIONS[name].cycles(3, 128, 64) == CYCLES[name]

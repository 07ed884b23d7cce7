"""The PE of a DSP slice: two or four products of short integers in one wide multiplication."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.accumulators import Products
from sim.errors import InputError
from sim.pe.element import Element

A_BITS, B_BITS, P_BITS = 27, 18, 48
"""[bit] The two's complement ports of a DSP48E2's multiplier and its accumulator (AMD UG579, Introduction)."""


@dataclass(frozen=True)
class Packing:
    """Lanes of an accumulator ``lane_bits`` apart: ``weights * activations`` of them, the last one takes what is left."""

    weights: int
    activations: int
    lane_bits: int

    @property
    def lanes(self) -> int:
        return self.weights * self.activations

    def bits_of(self, lane: int) -> int:
        return P_BITS - lane * self.lane_bits if lane == self.lanes - 1 else self.lane_bits


INT8 = Packing(weights=1, activations=2, lane_bits=18)
INT4 = Packing(weights=2, activations=2, lane_bits=11)


@dataclass(frozen=True)
class DspPacked(Element):
    """Integers of up to 8 bits two at a time, of up to 4 bits four at a time, on one DSP48E2.

        two:  P += (a1 << 18 + a0) * w                      lanes a0*w, a1*w                     (AMD WP486)
        four: P += (w1 << 22 + w0) * (a1 << 11 + a0)        lanes a0*w0, a1*w0, a0*w1, a1*w1     (AMD WP521)
        lane  = lowest bits of what is left of P, signed;   P = (P >> lane bits) + (lane < 0)

    The pre-adder packs the port of 27 bits. A negative lane has borrowed from the one above, which gets the 1 back when
    the lanes are taken apart. Activations of four are unsigned on the port: signed ones enter with their sign bit
    inverted, 2**(bits-1) too large, and the sum of the run's weights times that is subtracted afterwards. WP521 leaves
    the borrow where it is (Sommer et al., DSP-Packing, arXiv 2203.11028); giving it back makes every lane exact.

    Products are added in P for ``run_length`` cycles at most, the most for which no lane can leave its bits (7 of int8 x
    int8); then the lanes are taken apart and added to a wide accumulator beside the slice. So only ``exact`` and ``wrap``,
    which no grouping of additions changes, are possible. Columns of one pair of weights and rows of one pair of
    activations share a slice; a missing partner is zero.

    Latency: 6 cycles: ports, pre-adder, product, P (UG579), lanes, sum. Throughput: 2 or 4 MACs a cycle. Why: DSP slices
    are what an FPGA multiplies with, and are far too wide for these operands.
    """

    kind: ClassVar[str] = "dsp_packed"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap")
    pipelines: ClassVar[tuple[int, ...]] = (1,)

    def check_formats(self) -> None:
        for role, format_ in (("weights", self.weight), ("activations", self.activation)):
            if not (format_.is_integer and format_.bits <= 8):
                raise InputError(f"a dsp_packed PE takes integer {role} of 1 to 8 bits, not {format_.name}")

    @property
    def registers(self) -> tuple[str, ...]:
        """Those of the slice that are used, and that of the lanes."""
        return "ports", "packed", "product", "p", "lanes"

    @property
    def packing(self) -> Packing:
        return INT4 if max(self.weight.bits, self.activation.bits) <= 4 else INT8

    @property
    def offset(self) -> int:
        """What signed activations are too large by on the port of four products."""
        return 1 << (self.activation.bits - 1) if self.packing is INT4 and self.activation.signed else 0

    @cached_property
    def run_length(self) -> int:
        """Products that P adds up before the lanes are taken apart: the most that every lane holds."""
        activations = self.activation.smallest + self.offset, self.activation.largest + self.offset
        corners = [w * a for w in (self.weight.smallest, self.weight.largest) for a in activations]
        half = 1 << (self.packing.lane_bits - 1)
        below = half // -min(corners) if min(corners) < 0 else half
        above = (half - 1) // max(corners) if max(corners) > 0 else half
        return min(below, above)

    @property
    def lanes(self) -> tuple[int, int]:
        return self.packing.activations, self.packing.weights

    def multiply(
        self, weights: NDArray[np.int64], activations: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every lane holds the same pair of operands; the last lane, with the corrections of all below, is the product."""
        w = np.stack([weights] * self.packing.weights, axis=-1)
        a = np.stack([activations] * self.packing.activations, axis=-1)
        return self.run(w[None], a[None])[..., -1, -1], np.zeros(1, dtype=np.int64)

    def run(self, weights: NDArray[np.int64], activations: NDArray[np.int64]) -> NDArray[np.int64]:
        """A slice's sums ``[..., activation, weight]`` of a run.

        From codes ``weights[cycle, ..., weight]`` and ``activations[cycle, ..., activation]``. Raises ``InputError`` for a
        run that is longer than the lanes hold.
        """
        if len(weights) > self.run_length:
            formats = f"{self.weight.name} x {self.activation.name}"
            raise InputError(f"a run of {formats} products has at most {self.run_length} cycles, not {len(weights)}")
        w = self.weight.decode(weights).astype(np.int64)
        distance = self.packing.lane_bits
        if self.packing is INT4:
            # With its sign bit inverted, a code is the number plus the offset, as plain binary.
            unsigned = activations ^ self.offset
            a_port, b_port = _packed(w, 2 * distance, A_BITS), _packed(unsigned, distance, B_BITS)
        else:
            a = self.activation.decode(activations).astype(np.int64)
            a_port, b_port = _packed(a, distance, A_BITS), _signed(w[..., 0], B_BITS)
        p = _signed((a_port * b_port).sum(axis=0), P_BITS)
        lanes = self._lanes(p).reshape(*p.shape, self.packing.weights, self.packing.activations)
        sums: NDArray[np.int64] = np.moveaxis(lanes, -1, -2) - (w.sum(axis=0) * self.offset)[..., None, :]
        return sums

    def _lanes(self, p: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lanes of P ``[..., lane]``, from the lowest up, each giving back what it borrowed."""
        rest, lanes = p, []
        for lane in range(self.packing.lanes):
            bits = self.packing.bits_of(lane)
            lanes.append(_signed(rest, bits))
            rest = (rest >> bits) + (lanes[-1] < 0)
        return np.stack(lanes, axis=-1)

    def terms(self, activations: NDArray[np.int64], weights: NDArray[np.int64]) -> Products:
        """What the wide accumulator adds up: the sums of runs ``[run, m, n]``."""
        (m, k), n = activations.shape, weights.shape[1]
        rows, columns = self.packing.activations, self.packing.weights
        # Code 0 is the number 0 in every integer format.
        a = np.pad(activations, ((0, -m % rows), (0, 0))).T.reshape(k, -1, 1, rows)
        w = np.pad(weights, ((0, 0), (0, -n % columns))).reshape(k, 1, -1, columns)
        runs = [self._run_sums(a[i : i + self.run_length], w[i : i + self.run_length]) for i in range(0, k, self.run_length)]
        bits = self.sum_bits(min(k, self.run_length))
        return Products(np.stack(runs)[:, :m, :n], np.zeros(1, dtype=np.int64), self.product_lsb, bits)

    def _run_sums(self, activations: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
        sums = np.moveaxis(self.run(weights, activations), 1, 2)
        pairs_m, rows, pairs_n, columns = sums.shape
        return sums.reshape(pairs_m * rows, pairs_n * columns)

    def product_adders(self) -> tuple[int, ...]:
        """A lane's share of the slice: of the rows of its multiplier, and of the adder of P."""
        lanes = self.packing.lanes
        return (*(A_BITS,) * -(-(B_BITS - 1) // lanes), P_BITS // lanes)

    def product_counts(self) -> Mapping[str, Fraction]:
        """A lane's share: a use of the slice and an addition in P a cycle; a run's corrections of all lanes but the lowest.

        :meth:`counts` adds the wide accumulator's addition, which in truth happens once a run.
        """
        lanes = self.packing.lanes
        corrections = Fraction(lanes - 1, lanes) / self.run_length
        return {"multiply": Fraction(1, lanes), "add": Fraction(1, lanes) + corrections}


def _packed(numbers: NDArray[np.int64], distance: int, port_bits: int) -> NDArray[np.int64]:
    """Two numbers ``[..., 2]`` in one port, the first one low."""
    return _signed((numbers[..., 1] << distance) + numbers[..., 0], port_bits)


def _signed(numbers: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """The lowest ``bits`` bits as a two's complement number."""
    half = 1 << (bits - 1)
    signed: NDArray[np.int64] = ((numbers + half) & ((1 << bits) - 1)) - half
    return signed

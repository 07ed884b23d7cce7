"""What all processing elements have in common: operands that are checked, exact widths, a group's chain of additions."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.accumulators import FLOATS, LARGEST_BITS, Accumulator, Products, accumulator, shifted
from sim.errors import InputError, demand
from sim.formats import Format, signed_bits
from sim.pe.fields import Fields, fields_adders, fields_product, integer_fields, minifloat_fields

OPERATIONS: dict[str, str] = {
    "add": "one integer addition, subtraction or negation by a carry chain",
    "shift": "one shift by a distance that a code tells; shifts by fixed distances are wires",
    "multiply": "one product by an array multiplier; of a DSP slice, one use of it",
    "align": "one product shifted by its exponent to its place in the sum",
    "compare": "one exponent compared with the largest of the group before it",
    "limit": "one sum limited to the ends of the accumulator",
    "round": "one sum normalised and rounded to a float",
}
"""What :meth:`Element.counts` counts."""

REGISTERS: dict[str, int] = {"partial": 2, "product": 1, "term": 1}
"""Registers between operands and sum, in this order, and the level of ``pipeline`` from which on they are there.

``partial`` holds what a product is added up from, or of a multiplier the product, so that a tool may move the register into
it; ``term`` a product at its place in a fixed-point sum, or normalised, if products have exponents.
"""

SHORTEST_WAIT = 2
"""[cycle] A buffer has no fewer places."""

ROUNDING_BITS = 3
"""[bit] Guard, round and sticky bits of a float adder."""

BLOCK = 1 << 20
"""Products that are held at once."""


@dataclass(frozen=True)
class Element(ABC):
    """A processing element: products of two formats' codes, added up in the order of ``k``.

    ``accumulator`` is one of ``accumulators``' families (:mod:`sim.accumulators`), ``pipeline`` one of ``pipelines``, the
    levels of :data:`REGISTERS`. Raises ``InputError`` for formats, an accumulator or a level that the PE does not take, and
    for codes that are not numbers: NaN and infinities are no operands, as quantization, which is where reals become codes,
    refuses them.
    """

    weight: Format
    activation: Format
    accumulator: str = "exact"
    pipeline: int = 1

    kind: ClassVar[str]
    accumulators: ClassVar[tuple[str, ...]]
    pipelines: ClassVar[tuple[int, ...]] = (0, 1, 2)
    follows_width: ClassVar[bool] = False
    """Whether a PE that was built for wide weights takes narrower ones at the rate of their own width."""

    def __post_init__(self) -> None:
        demand("weight format", self.weight, Format)
        demand("activation format", self.activation, Format)
        demand("pipeline", self.pipeline, int)
        self.check_formats()
        if self.pipeline not in self.pipelines:
            allowed = " or ".join(map(str, self.pipelines))
            raise InputError(f"pipeline of a {self.kind} PE is {allowed}, not {self.pipeline}")
        family, widest = self.accumulation.family, self.product_bits
        formats = f"{self.weight.name} x {self.activation.name}"
        if family not in self.accumulators:
            raise InputError(f"accumulators of a {self.kind} PE are {', '.join(self.accumulators)}, not {self.accumulator}")
        if family == "exact" and widest > LARGEST_BITS:
            raise InputError(f"an exact accumulator has at most {LARGEST_BITS} bits, but a product of {formats} has {widest}")
        if self.accumulation.is_bounded and self.accumulation.number < widest:
            raise InputError(f"an accumulator of {formats} has at least the {widest} bits of a product, not {self.accumulator}")

    @abstractmethod
    def check_formats(self) -> None:
        """Raise ``InputError`` for formats that this PE does not take."""

    @property
    def registers(self) -> tuple[str, ...]:
        """What is in registers between the operands and the sum, a cycle each."""
        there = [name for name, level in REGISTERS.items() if level <= self.pipeline]
        return tuple(name for name in there if name != "term" or self.has_exponents)

    @property
    def latency(self) -> int:
        """From operands at the inputs to the sum that contains them [cycle]."""
        return len(self.registers) + self.interval

    def sum_latency(self, group_size: int) -> int:
        """From a group's last operands at the inputs to its sum [cycle].

        A product of ``aligned`` waits until its group is complete, as the largest exponent is needed before anything is
        added: as long as a group of ``group_size`` takes, so that all products wait alike.
        """
        waits = self.accumulation.family == "aligned" and self.largest_exponent > 0
        return self.latency + (max(group_size, SHORTEST_WAIT) if waits else 0)

    @property
    def interval(self) -> int:
        """Cycles from one pair of operands to the next."""
        return 1

    @property
    def lanes(self) -> tuple[int, int]:
        """Activations and weights of a pair of operands; each activation is multiplied by each weight, at once."""
        return 1, 1

    @property
    def macs_per_cycle(self) -> Fraction:
        """Products formed and added up [1/cycle]."""
        activations, weights = self.lanes
        return Fraction(activations * weights, self.interval)

    def multiply(
        self, weights: NDArray[np.int64], activations: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Products of codes as the datapath has them, ``significand * 2**exponent``, shapes broadcast.

        The exponent is the sum of the operands' exponents; integers, and all formats without an exponent field, have
        that of their last bit. Unless a PE says otherwise, significands are shifted and added, exponents added.
        """
        return fields_product(*self.fields, weights, activations)

    def product_adders(self) -> tuple[int, ...]:
        """Widths [bit] of the adders that form one product."""
        return fields_adders(*self.fields)

    def product_counts(self) -> Mapping[str, Fraction]:
        """How often each of :data:`OPERATIONS` happens to form one product."""
        return {"add": Fraction(len(self.product_adders()))}

    @cached_property
    def accumulation(self) -> Accumulator:
        return accumulator(self.accumulator)

    @property
    def has_exponents(self) -> bool:
        """Whether products differ in their exponents."""
        return False

    @property
    def largest_exponent(self) -> int:
        """The greatest exponent of a product, counted from ``product_lsb``; that of a field's last code, used or not."""
        return sum(max(0, (1 << operand.exponent_bits) - 2) for operand in self.fields) if self.has_exponents else 0

    @property
    def product_lsb(self) -> int:
        """Products are integers in units of ``2**product_lsb``."""
        return self.weight.lsb + self.activation.lsb

    @property
    def product_bits(self) -> int:
        """Width [bit] of the narrowest two's complement number of that unit that holds every product."""
        return self.sum_bits(1)

    def sum_bits(self, terms: int) -> int:
        """Width [bit] of the narrowest two's complement number that holds every sum of ``terms`` products."""
        w, a = self.weight, self.activation
        corners = [x * y for x in (w.smallest, w.largest) for y in (a.smallest, a.largest)]
        return signed_bits(terms * min(corners), terms * max(corners))

    def accumulator_bits(self, terms: int) -> int:
        """Width [bit] of the accumulator of a group of ``terms`` products.

        Of ``aligned`` its integer; the group's exponent is beside it. Raises ``InputError`` for an exact one that is too wide.
        """
        family, number = self.accumulation.family, self.accumulation.number
        if self.accumulation.is_float:
            significand_bits, largest_exponent = FLOATS[family]
            return significand_bits + (2 * largest_exponent + 1).bit_length()
        if family == "aligned":
            weight, activation = self.fields
            largest = terms * weight.largest_significand * activation.largest_significand << number
            return signed_bits(-largest, largest)
        if self.accumulation.is_bounded:
            return number
        if self.sum_bits(terms) > LARGEST_BITS:
            raise InputError(f"an exact accumulator has at most {LARGEST_BITS} bits, not {self.sum_bits(terms)}")
        return self.sum_bits(terms)

    @cached_property
    def fields(self) -> tuple[Fields, Fields]:
        """Fields of the weight and of the activation, where both are integers or minifloats."""
        weight = integer_fields(self.weight) or minifloat_fields(self.weight)
        activation = integer_fields(self.activation) or minifloat_fields(self.activation)
        assert weight is not None and activation is not None
        return weight, activation

    def adder_widths(self, terms: int) -> tuple[int, ...]:
        """Widths [bit] of the adders that one MAC uses: those of its product, and that of the sum of ``terms`` products."""
        return (*self.product_adders(), self.sum_adder(terms))

    def sum_adder(self, terms: int) -> int:
        """Width [bit] of the accumulator's adder: of a float's significands, with the bits that rounding needs."""
        if self.accumulation.is_float:
            return FLOATS[self.accumulation.family][0] + ROUNDING_BITS
        return self.accumulator_bits(terms)

    def counts(self) -> Mapping[str, Fraction]:
        """How often each of :data:`OPERATIONS` happens in one MAC."""
        family = self.accumulation.family
        happens = {
            "add": True,
            "align": self.has_exponents or self.accumulation.is_float,
            "compare": family == "aligned",
            "limit": family == "saturate",
            "round": self.accumulation.is_float,
        }
        product = self.product_counts()
        total = {name: product.get(name, Fraction(0)) + happens.get(name, False) for name in OPERATIONS}
        return {name: count for name, count in total.items() if count}

    def product(self, weights: NDArray[np.integer], activations: NDArray[np.integer]) -> NDArray[Any]:
        """Exact products of weight codes and activation codes in units of ``2**product_lsb``, shapes broadcast.

        int64, or Python's integers where a product has more than 63 bits.
        """
        significands, exponents = self.multiply(numbers(self.weight, weights), numbers(self.activation, activations))
        return shifted(significands, exponents - self.product_lsb, self.product_bits)

    def group_sums(self, activations: NDArray[np.integer], weights: NDArray[np.integer], group_size: int) -> NDArray[Any]:
        """Sums ``[ceil(k/group_size), m, n]`` of each group, from codes ``activations[m, k]`` and ``weights[k, n]``.

        Of the kinds that :meth:`sim.accumulators.Accumulator.sum` returns.
        """
        demand("group size", group_size, int)
        if group_size < 1:
            raise InputError(f"group size is at least 1, not {group_size}")
        a, w = numbers(self.activation, activations), numbers(self.weight, weights)
        if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[0] or 0 in a.shape + w.shape:
            raise InputError(f"operands are activations [m, k] and weights [k, n] that are not empty, not {a.shape}, {w.shape}")
        (m, k), n = a.shape, w.shape[1]
        if len(w) != k:
            raise InputError(f"activations and weights of one product have the same k, not {k} and {len(w)}")
        rows = max(2, BLOCK // (min(k, group_size) * n) // 2 * 2)
        groups = []
        for start in range(0, k, group_size):
            part = slice(start, start + group_size)
            sums = [self.accumulation.sum(self.terms(a[row : row + rows, part], w[part])) for row in range(0, m, rows)]
            groups.append(np.concatenate(sums))
        return np.stack(groups)

    def terms(self, activations: NDArray[np.int64], weights: NDArray[np.int64]) -> Products:
        """What a group adds up, ``[k, m, n]``, from codes ``activations[m, k]`` and ``weights[k, n]``: its products."""
        significands, exponents = self.multiply(weights[:, None, :], activations.T[:, :, None])
        return Products(significands, exponents, self.product_lsb, self.product_bits)


def numbers(format_: Format, codes: NDArray[np.integer]) -> NDArray[np.int64]:
    """The codes themselves, all of them those of numbers. Raises ``InputError`` with the first that is not."""
    if np.asarray(codes).dtype.kind not in "iu":
        raise InputError(f"codes of {format_.name} are integers, not {np.asarray(codes).dtype}")
    wide = np.asarray(codes).astype(np.int64)
    wrong = (wide < 0) | (wide >= len(format_.values))
    if format_.has_special and not wrong.any():
        wrong = _special(format_)[wide]
    if wrong.any():
        raise InputError(f"operands are codes of numbers of {format_.name}, not {int(wide[wrong][0])}")
    return wide


@lru_cache(maxsize=256)
def _special(format_: Format) -> NDArray[np.bool_]:
    """For each code whether it stands for NaN or an infinity."""
    return np.array([value is None for value in format_.values])

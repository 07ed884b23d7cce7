"""Weights of several widths on one array: which formats a design's PE multiplies beside its own, and products cut by them.

A PE is built for one format of weights. It multiplies the numbers of any other format that are among those of its own: an
integer of fewer bits is extended on its way from the weight buffer. In the DRAM and in the buffer weights have their own
width; MACs take the time and energy of the PE that was built, but for kinds whose rate follows the width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from sim.design import DesignPoint
from sim.errors import InputError, choose
from sim.formats import FORMATS, Format
from sim.operators import Operator, Product, VectorWork
from sim.pe.fields import minifloat_fields

NARROWEST = 2
"""[bit] Of formats that are offered; a code of one bit has no sign beside a magnitude."""


@dataclass(frozen=True)
class Part:
    """What of a product's weights ``[k, n]`` has one format: so many of its inputs by so many of its outputs."""

    weight_format: str
    k: int
    n: int


def with_format(design: DesignPoint, name: str) -> DesignPoint:
    """The design as weights in that format see it.

    Raises ``InputError`` for a format with a number that is none of the design's own format, for one of another kind
    (integers with and without sign, minifloats), for one that another rate goes with, and for a minifloat where the
    accumulator's bits count from the products' last one, which may be another: that of an integer is not.
    """
    narrow, own = choose("weight format", name, FORMATS), design.weight
    if name == design.weight_format:
        return design
    seen = design.with_weights(name)
    rates = design.element.macs_per_cycle, seen.element.macs_per_cycle
    refused = {
        f"whose numbers are all ones of {own.name}": not _numbers(narrow) <= _numbers(own),
        f"of the kind of {own.name}": _kind(narrow) != _kind(own),
        "that are integers": not narrow.is_integer and design.element.accumulation.family in ("wrap", "saturate", "aligned"),
        f"that a {design.pe} PE takes at its rate of {rates[0]} MACs a cycle": rates[0] != rates[1]
        and not design.element.follows_width,
    }
    for what, is_refused in refused.items():
        if is_refused:
            raise InputError(
                f"weights on design {design.name!r}, {own.name} with accumulator {design.accumulator}, have formats {what}, "
                f"not {name}"
            )
    return seen


def narrower_formats(design: DesignPoint) -> tuple[str, ...]:
    """Formats that :func:`with_format` takes, the narrowest first, the design's own the last."""
    found = []
    for name, format_ in FORMATS.items():
        if NARROWEST <= format_.bits < design.weight.bits:
            try:
                with_format(design, name)
            except InputError:
                continue
            found.append(name)
    return (*sorted(found, key=lambda name: FORMATS[name].bits), design.weight_format)


def mac_share(design: DesignPoint, seen: DesignPoint) -> float:
    """For what part of a MAC of its own weights a design's PE is at work on one of the weights that ``seen`` has."""
    return float(design.element.macs_per_cycle / seen.element.macs_per_cycle)


def cut(operators: Sequence[Operator], parts: Mapping[str, Sequence[Part]]) -> tuple[Operator, ...]:
    """The operators, each product of a name in ``parts`` in the place of which are products of its parts.

    Parts by outputs write their own columns. Parts by inputs have results for all outputs, which the vector unit adds.
    Raises ``InputError`` for parts that are not the whole of a product.
    """
    lengths = [_length(operator, parts.get(operator.name, ())) for operator in operators]
    ends = list(accumulate(lengths))
    found: list[Operator] = []
    for operator in operators:
        inputs = tuple(place for i in operator.inputs for place in _results(operators[i], parts, ends[i]))
        moved = replace(operator, inputs=inputs)
        own = parts.get(operator.name, ()) if isinstance(operator, Product) else ()
        found += _cut(moved, own, len(found)) if isinstance(moved, Product) and own else [moved]
    return tuple(found)


def _length(operator: Operator, parts: Sequence[Part]) -> int:
    """Operators in the place of one."""
    if not isinstance(operator, Product) or not parts:
        return 1
    return len(parts) + _is_by_inputs(operator, parts)


def _is_by_inputs(product: Product, parts: Sequence[Part]) -> bool:
    if all(part.n == product.n for part in parts) and sum(part.k for part in parts) == product.k:
        return len(parts) > 1
    if all(part.k == product.k for part in parts) and sum(part.n for part in parts) == product.n:
        return False
    shapes = ", ".join(f"{part.k}x{part.n}" for part in parts)
    raise InputError(f"parts of product {product.name!r} are together its {product.k}x{product.n} weights, not {shapes}")


def _results(operator: Operator, parts: Mapping[str, Sequence[Part]], end: int) -> range:
    """Places of what an operator's results come from."""
    own = parts.get(operator.name, ())
    if not isinstance(operator, Product) or not own or _is_by_inputs(operator, own):
        return range(end - 1, end)
    return range(end - len(own), end)


def _cut(product: Product, parts: Sequence[Part], place: int) -> list[Operator]:
    found: list[Operator] = [replace(product, k=part.k, n=part.n, weight_format=part.weight_format) for part in parts]
    if _is_by_inputs(product, parts):
        numbers = product.m * product.n * product.count
        added = tuple(range(place, place + len(parts)))
        found.append(
            VectorWork(
                f"{product.name}.parts", "elementwise", numbers * (len(parts) - 1), numbers * len(parts), numbers, 1, added
            )
        )
    return found


def _numbers(format_: Format) -> set[float]:
    return {value * 2.0**format_.lsb for value in format_.values if value is not None}


def _kind(format_: Format) -> tuple[bool, bool, bool]:
    return format_.is_integer, format_.signed, minifloat_fields(format_) is not None

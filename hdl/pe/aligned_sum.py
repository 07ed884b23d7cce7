"""The ``aligned`` accumulator: products wait in a buffer until the largest exponent of their group is known.

A buffer has a place for each product of a group. All wait equally long, so the first one leaves when a whole group has
come, and a shorter group has been complete for a while. The exponent of a group is written, when it ends, beside the
place of its first product, where it is found when that leaves. So a group's operands come within ``group_size`` cycles.
"""

from dataclasses import dataclass

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory

from hdl.pe.term import Term
from hdl.pipeline import buffered, flagged, ring
from sim.design import DesignPoint
from sim.pe import Element


@dataclass(frozen=True)
class Ready:
    """A product, the largest exponent of its group (of no bits where all have the same), and its flags."""

    term: Term
    largest: Value
    valid: Value
    last: Value


def wait(m: Module, design: DesignPoint, product: Ready) -> Ready:
    """The product, so many cycles later that its group's largest exponent is known."""
    term, valid, last = product.term, product.valid, product.last
    assert term.negative is not None and term.exponent is not None
    bits = design.element.largest_exponent.bit_length()
    cycles = design.pe_latency - design.element.latency
    place = ring(m, "buffer", cycles)
    first, start = Signal(init=1, name="first"), Signal.like(place, name="start")
    counted, so_far, largest = (Signal(bits, name=name) for name in ("counted", "so_far", "largest_so_far"))
    # A zero has an exponent that does not count.
    m.d.comb += [
        counted.eq(Mux(term.significand.any(), term.exponent, 0)),
        so_far.eq(Mux(first, 0, largest)),
    ]
    now = Signal(bits, name="largest_now")
    m.d.comb += now.eq(Mux(counted > so_far, counted, so_far))
    with m.If(valid):
        m.d.sync += [largest.eq(now), first.eq(last)]
        with m.If(first):
            m.d.sync += start.eq(place)
    m.submodules.exponents = exponents = Memory(shape=bits, depth=cycles, init=[])
    read, write = exponents.read_port(domain="comb"), exponents.write_port()
    m.d.comb += [
        read.addr.eq(place),
        write.addr.eq(Mux(first, place, start)),
        write.data.eq(now),
        write.en.eq(valid & last),
    ]
    parts = (term.negative, term.significand, term.exponent)
    stored = buffered(m, "products", place, cycles, Cat(*parts))
    valid_out, last_out = flagged(m, "valid_waiting", cycles, valid), flagged(m, "last_waiting", cycles, last)

    first_out = Signal(init=1)
    kept, of_group = Signal(bits, name="largest_kept"), Signal(bits, name="largest_of_group")
    m.d.comb += of_group.eq(Mux(first_out, read.data, kept))
    with m.If(valid_out):
        m.d.sync += [kept.eq(of_group), first_out.eq(last_out)]
    ends = [sum(map(len, parts[:end])) for end in range(4)]
    negative, significand, exponent = (stored[ends[i] : ends[i + 1]] for i in range(3))
    return Ready(Term(significand, negative, exponent), of_group, valid_out, last_out)


def aligned(m: Module, element: Element, product: Ready) -> Signal:
    """The product in units of the group's last place: bits beyond the guard are cut off, toward minus infinity."""
    term, guard = product.term, element.accumulation.number
    width = len(term.significand) + guard + 1
    number, addend = Signal(signed(width), name="number"), Signal(signed(width), name="addend")
    significand = term.significand if term.negative is None else Mux(term.negative, -term.significand, term.significand)
    m.d.comb += number.eq(significand << guard)
    if term.exponent is None or not len(product.largest):
        m.d.comb += addend.eq(number)
        return addend
    distance = Signal(len(product.largest), name="distance")
    m.d.comb += [distance.eq(product.largest - term.exponent), addend.eq(number >> distance)]
    return addend

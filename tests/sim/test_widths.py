"""Products whose weights have several formats: which ones a PE takes, and what their parts cost, by hand."""

from dataclasses import replace

import pytest

from costmodel.cost import evaluate
from costmodel.energy import energy_per_action
from sim.design import DesignPoint, load_design
from sim.errors import InputError
from sim.operators import Product, VectorWork
from sim.schedule import run_product, schedule
from sim.widths import Part, cut, mac_share, narrower_formats, with_format

W8 = load_design("mixpe-w8a8")
SERIAL = replace(W8, pe="bit_serial", memory_channels=64, bank_width=2048)
FLOATS = DesignPoint("floats", pe="minifloat", weight_format="e2m3", activation_format="e4m3")
PRODUCT = Product("p", 32, 128, 96)


def test_formats_that_a_pe_takes() -> None:
    assert narrower_formats(W8) == ("uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "uint8")
    assert narrower_formats(load_design("mixpe-w3a8")) == ("uint2", "uint3")
    assert "e2m1" in narrower_formats(FLOATS)
    # The least number of e1m5 is a sixteenth, that of e2m3 an eighth.
    assert not {"e1m4", "e3m1"} & set(narrower_formats(FLOATS))


@pytest.mark.parametrize(
    ("design", "name", "message"),
    [
        (W8, "uint1024", "unknown weight format 'uint1024'; known are "),
        (load_design("mixpe-w4a8"), "uint5", "have formats whose numbers are all ones of uint4, not uint5$"),
        (replace(W8, weight_format="int8"), "uint4", "have formats of the kind of int8, not uint4$"),
        (replace(FLOATS, accumulator="wrap30"), "e2m1", "accumulator wrap30, have formats that are integers, not e2m1$"),
    ],
)
def test_formats_that_it_does_not(design: DesignPoint, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_format(design, name)


def test_a_rate_of_another_format_goes_with_pes_that_are_made_for_it() -> None:
    """Two int8 weights in a DSP slice, or four of int4 with int4 activations: a slice is wired for one of them."""
    packed = DesignPoint("packed", pe="dsp_packed", weight_format="int8", activation_format="int4")
    with pytest.raises(InputError, match="have formats that a dsp_packed PE takes at its rate of 2 MACs a cycle, not int4$"):
        with_format(packed, "int4")
    fused = DesignPoint("fused", pe="fused", weight_format="int8")
    assert mac_share(fused, with_format(fused, "int2")) == 1 / 4
    assert mac_share(SERIAL, with_format(SERIAL, "uint3")) == 3 / 8
    assert mac_share(W8, with_format(W8, "uint3")) == 1


def test_narrow_weights_are_less_traffic() -> None:
    """128 x 96 weights in groups of 64: codes of 8 or 3 bits, fp16 scales, zero points as wide as codes."""
    for name, bits in (("uint8", 8), ("uint3", 3)):
        run = run_product(W8, replace(PRODUCT, weight_format=name))
        assert run.dram_bits["weights"] == 128 * 96 * bits + 2 * 96 * (16 + bits)


def test_a_bit_serial_array_is_as_fast_as_weights_are_narrow() -> None:
    times = {name: run_product(SERIAL, replace(PRODUCT, weight_format=name)).ideal_cycles for name in ("uint8", "uint4", "")}
    assert times["uint8"] == times[""] == 32 * 128 * 96 * 8 // 1024
    assert times["uint4"] == times["uint8"] / 2


def test_energy_of_macs_is_that_of_the_pe_that_was_built() -> None:
    for design, share in ((W8, 1.0), (SERIAL, 3 / 8)):
        cost = evaluate(design, schedule(design, [replace(PRODUCT, weight_format="uint3")]))
        prices = energy_per_action(design, design.technology)
        counted = schedule(design, [replace(PRODUCT, weight_format="uint3")]).trace.counts
        others = sum(counted[name] * prices[name] for name in ("row_sum", "group_epilogue", "token_scale"))
        assert cost.energy_j.pe == pytest.approx((PRODUCT.macs * prices["mac"] * share + others) * 1e-12, rel=1e-12)


def test_parts_by_outputs_and_by_inputs() -> None:
    operators = [
        VectorWork("x", "norm", 1, 4096, 4096),
        replace(PRODUCT, name="rows", inputs=(0,)),
        replace(PRODUCT, name="blocks", inputs=(0,)),
        VectorWork("y", "activation", 1, 6144, 3072, 1, (1, 2)),
    ]
    parts = {
        "rows": [Part("uint3", 128, 32), Part("uint4", 128, 64)],
        "blocks": [Part("uint2", 64, 96), Part("uint8", 64, 96)],
    }
    x, one, other, low, high, added, y = cut(operators, parts)
    assert (x, y.inputs) == (operators[0], (1, 2, 5))
    assert [(p.name, p.k, p.n, p.weight_format, p.inputs) for p in (one, other)] == [
        ("rows", 128, 32, "uint3", (0,)),
        ("rows", 128, 64, "uint4", (0,)),
    ]
    assert [(p.k, p.n, p.weight_format) for p in (low, high)] == [(64, 96, "uint2"), (64, 96, "uint8")]
    # 32 x 96 results of two parts: one addition each, both are read and the sum is written.
    assert added == VectorWork("blocks.parts", "elementwise", 3072, 6144, 3072, 1, (3, 4))
    done = schedule(W8, cut(operators, parts))
    assert done.trace.counts["mac"] == 2 * PRODUCT.macs
    assert done.dram_bits["weights"] == sum(
        k * n * bits + k // 64 * n * (16 + bits) for k, n, bits in ((128, 32, 3), (128, 64, 4), (64, 96, 2), (64, 96, 8))
    )


def test_whole_products_stay_as_they_are() -> None:
    operators = (PRODUCT, replace(PRODUCT, name="q", inputs=(0,)))
    assert cut(operators, {}) == operators
    alone = cut(operators, {"p": [Part("uint4", 128, 96)]})
    assert [o.weight_format for o in alone if isinstance(o, Product)] == ["uint4", ""]
    assert schedule(W8, cut(operators, {"p": [Part("uint8", 128, 96)]})).trace == schedule(W8, operators).trace


def test_parts_that_are_not_the_whole() -> None:
    for parts in ([Part("uint4", 128, 95)], [Part("uint4", 64, 96)], [Part("uint4", 64, 48), Part("uint4", 64, 48)]):
        with pytest.raises(InputError, match="parts of product 'p' are together its 128x96 weights, not "):
            cut([PRODUCT], {"p": parts})

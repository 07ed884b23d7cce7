"""Decoders as Verilog: ports, lint, numbers known from outside; that they are tables of formats is proved in test_prove."""

from pathlib import Path

import pytest
from amaranth.sim import Simulator

from hdl.decoder import DECODERS, Decoder, has_fields, output_shapes
from hdl.export import module_ports, module_texts
from hdl.tools.verilator import lint
from sim.errors import InputError
from sim.formats import FORMATS

KNOWN = [
    ("ocp_e4m3", "table", 0x7E, {"number": 448 << 9}),  # the greatest number of E4M3, in units of 2**-9 (OCP, table 1)
    ("ocp_e4m3", "logic", 0xFE, {"number": -448 << 9}),
    ("ocp_e4m3", "fields", 0xFE, {"negative": 1, "significand": 0b1110, "exponent": 14}),
    ("ocp_e4m3", "logic", 0x7F, {"number": 0}),  # NaN
    ("ocp_e5m2", "fields", 0x7C, {"negative": 0, "significand": 0, "exponent": 30}),  # infinity
    ("e8m0", "fields", 0x7F, {"significand": 1, "exponent": 127}),  # 1, in units of 2**-127
    ("e8m0", "logic", 0xFF, {"number": 0}),  # NaN
    ("nf4_8", "logic", 0b0110, {"number": -23}),  # -0.09105 * 256 = -23.3
    ("int4", "fields", 0b1000, {"negative": 1, "significand": 8}),
    ("bipolar3", "logic", 0b101, {"number": 3}),  # 4 - 2 + 1
]


@pytest.mark.parametrize(("name", "kind", "code", "expected"), KNOWN)
def test_numbers_known_from_outside(name: str, kind: str, code: int, expected: dict[str, int]) -> None:
    decoder = Decoder(FORMATS[name], kind)
    outputs = [port for port, fields in module_ports(decoder).items() if fields["direction"] == "out"]
    found = {}

    async def look(context) -> None:  # type: ignore[no-untyped-def]
        context.set(decoder.code, code)
        found.update({port: context.get(getattr(decoder, port)) for port in outputs})

    simulator = Simulator(decoder)
    simulator.add_testbench(look)
    simulator.run()
    assert found == expected


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("name", ["uint1", "int8", "bipolar3", "ocp_e5m2", "e8m0", "pot6", "apot5", "nf4"])
def test_lint_is_clean(name: str, kind: str, tmp_path: Path) -> None:
    if kind == "fields" and not has_fields(FORMATS[name]):
        with pytest.raises(InputError, match=f"fields are those of integers, minifloats and powers of two, not of {name}"):
            output_shapes(FORMATS[name], kind)
        return
    decoder = Decoder(FORMATS[name], kind)
    ((file, text),) = module_texts([decoder]).items()
    (tmp_path / file).write_text(text)
    assert file == f"{name}_{kind}_decoder.v"
    assert lint([tmp_path / file], decoder.module_name) == ""


def test_bad_input() -> None:
    with pytest.raises(InputError, match="unknown decoder 'rom'; known are table, logic, fields"):
        output_shapes(FORMATS["int4"], "rom")
    with pytest.raises(InputError, match="codes decoded to fixed point have at most 8 bits, not the 16 of fp16"):
        output_shapes(FORMATS["fp16"], "table")

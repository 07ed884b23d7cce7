"""Results as they leave, proved for all inputs by a solver, against plain Verilog that rounds in another way."""

from pathlib import Path

import pytest

from hdl.export import module_texts
from hdl.output import Output
from hdl.requantizer import Requantizer
from hdl.tools.yosys import find_yosys
from hdl.verify.output import component_of
from sim.formats import FORMATS, Format
from sim.output import output_format

FP16 = """
  // Normal numbers are rounded as integers are, their exponents included; the others by what is left of a division.
  wire [30:0] x = result[30:0];
  wire [30:0] normal = x - 31'h38000000 + 31'h0fff + x[13];
  wire [4:0] places = 8'd126 - x[30:23];
  wire [23:0] significand = {1'b1, x[22:0]};
  wire [23:0] whole = significand >> places, left = significand - (whole << places), half = 24'd1 << (places - 1);
  wire [14:0] magnitude =
    x > 31'h7f800000 ? {6'b111111, x[21:13]} :
    x >= 31'h477ff000 ? 15'h7c00 :
    x >= 31'h38800000 ? normal[27:13] :
    x < 31'h33000000 ? 15'd0 : whole + (left > half || left == half && whole[0]);
  wire [15:0] expected = {result[31], magnitude};
"""

FIXED8_4 = """
  // Below 2**-5 it is zero, and from 8 on the largest.
  wire [4:0] places = 8'd127 + 8'd23 - 8'd4 - result[30:23];
  wire [23:0] significand = {1'b1, result[22:0]};
  wire [23:0] whole = significand >> places, left = significand - (whole << places), half = 24'd1 << (places - 1);
  wire [8:0] nearest = whole + (left > half || left == half && whole[0]);
  wire [7:0] largest = result[31] ? 8'd128 : 8'd127;
  wire [7:0] magnitude = result[30:23] < 122 ? 8'd0 : result[30:23] >= 130 || nearest > largest ? largest : nearest;
  wire [7:0] expected = result[31] ? -magnitude : magnitude;
"""

# A result is significand * 2**(exponent - 150) and a scale significand * 2**(exponent - 25).
QUOTIENT = """
  wire signed [10:0] exponent = result[30:23] + (result[30:23] == 0);
  wire signed [10:0] scale_exponent = scale[14:10] + (scale[14:10] == 0);
  wire [23:0] significand = {{result[30:23] != 0, result[22:0]}};
  wire [10:0] scale_significand = {{scale[14:10] != 0, scale[9:0]}};
  wire signed [10:0] places = exponent - scale_exponent - {unit};
  wire [5:0] limited = places < -40 ? 0 : places > 20 ? 60 : places + 40;
  wire [84:0] quotient = significand << limited;
"""

CLAIM = """\
module claim(input clk, input [31:0] result, input [15:0] scale, output wrong);
{reference}
  wire [{top}:0] converted;
  {module} dut(.clk(clk), .rst(1'b0), .advance(1'b1), .result(result), .converted(converted){scale});
  wire positive = scale[15] == 0 && scale != 0 && scale[14:10] != 31;
  assign wrong = positive && converted != expected;
endmodule
"""

WIRES = """\
(* techmap_celltype = "$dff" *)
module register(CLK, D, Q);
  parameter WIDTH = 1, CLK_POLARITY = 1;
  input CLK;
  input [WIDTH-1:0] D;
  output [WIDTH-1:0] Q;
  assign Q = D;
endmodule
"""
"""What comes out of a pipeline is the same, only earlier, if its registers are wires."""

SCRIPT = """\
read_verilog dut.v claim.v
hierarchy -check -top claim
proc; flatten; opt -full -nodffe -nosdff
setattr -unset init w:*
techmap -map wires.v
opt -full; clean
sat -prove wrong 0 -show result,scale,converted,expected claim
"""


def proved(component: Output | Requantizer, reference: str, folder: Path) -> bool:
    """Whether no input makes the component differ from what the reference expects; Yosys's log says which does."""
    (text,) = module_texts([component]).values()
    scale = ", .scale(scale)" if isinstance(component, Requantizer) else ""
    names = {"module": component.module_name, "top": component.format.bits - 1, "scale": scale}
    claim = CLAIM.format(reference=reference, **names)
    log = find_yosys().run("script prove.ys", {"dut.v": text, "claim.v": claim, "wires.v": WIRES, "prove.ys": SCRIPT}, folder)
    print(log[log.find("SAT proof finished") :])
    return "SAT proof finished - no model found: SUCCESS!" in log


def by_thresholds(format_: Format) -> str:
    """A magnitude's number is how many thresholds, midway between neighbours, times the scale lie below it."""
    values = range(-format_.smallest + 1) if format_.is_integer else sorted({abs(value or 0) for value in format_.values})
    lines = [QUOTIENT.format(unit=125 + format_.lsb - 1)]
    pairs = list(zip(values, list(values)[1:], strict=False))
    for i, (lower, upper) in enumerate(pairs):
        up = i % 2 == 1 or (format_.significand_bits == 1 and lower > 0)
        lines.append(f"  wire [84:0] at_{i} = scale_significand * 85'd{lower + upper} << 40;")
        lines.append(f"  wire beyond_{i} = quotient {'>=' if up else '>'} at_{i};")
    lines.append(f"  wire [{format_.bits - 1}:0] number = {' + '.join(f'beyond_{i}' for i in range(len(pairs)))};")
    largest, sign = format_.largest, "result[31]"
    lines.append(
        f"  wire [{format_.bits - 1}:0] expected = {sign} ? -number : number > {largest} ? {largest} : number;"
        if format_.is_integer
        else f"  wire [{format_.bits - 1}:0] expected = {{{sign}, number[{format_.bits - 2}:0]}};"
    )
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "reference"), [("fp16", FP16), ("fixed8.4", FIXED8_4)])
def test_results_are_rounded_as_the_reference_does(name: str, reference: str, tmp_path: Path) -> None:
    assert proved(component_of(output_format(name)), reference, tmp_path)


def test_a_wrong_reference_is_refuted(tmp_path: Path) -> None:
    """Ties away from zero differ."""
    assert not proved(component_of(output_format("fp16")), FP16.replace("31'h0fff + x[13]", "31'h1000"), tmp_path)


@pytest.mark.parametrize("name", ["int2", "e2m0"])
def test_codes_are_those_between_thresholds(name: str, tmp_path: Path) -> None:
    assert proved(Requantizer(FORMATS[name]), by_thresholds(FORMATS[name]), tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["int3", "int4", "e1m1", "e2m1", "e3m0", "pot3"])
def test_more_codes_are_those_between_thresholds(name: str, tmp_path: Path) -> None:
    assert proved(Requantizer(FORMATS[name]), by_thresholds(FORMATS[name]), tmp_path)

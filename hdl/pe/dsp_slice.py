"""A DSP48E2 as the packed PE uses it: pre-adder, multiplier and accumulator, as a primitive and as its twin."""

from amaranth import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim.pe.dsp_packed import A_BITS, B_BITS, P_BITS


class DspSlice(wiring.Component):
    """``p = (keep ? p : 0) + (a + d) * b`` with the registers of the slice.

    Ports: ``a``, ``d`` and ``b`` [27, 27, 18 bit, signed]; ``add`` and ``keep`` belong to the operands two cycles before
    them: ``add`` says that there is a product, ``keep`` that it is added to what is there. Latency: 4 cycles from the
    operands to ``p``: ports, pre-adder, product, sum (AMD UG579).

    This is the behaviour; :data:`PRIMITIVE` is the same module as the slice itself.
    """

    module_name = "dsp_slice"

    def __init__(self) -> None:
        super().__init__(
            {
                "a": In(signed(A_BITS)),
                "d": In(signed(A_BITS)),
                "b": In(signed(B_BITS)),
                "add": In(1),
                "keep": In(1),
                "p": Out(signed(P_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        a, d, packed = (Signal(signed(A_BITS), name=name) for name in ("a_1", "d_1", "packed"))
        b_1, b_2 = (Signal(signed(B_BITS), name=name) for name in ("b_1", "b_2"))
        product = Signal(signed(A_BITS + B_BITS))
        add, keep = Signal(name="add_1"), Signal(name="keep_1")
        m.d.sync += [
            a.eq(self.a),
            d.eq(self.d),
            b_1.eq(self.b),
            packed.eq(a + d),
            b_2.eq(b_1),
            product.eq(packed * b_2),
            add.eq(self.add),
            keep.eq(self.keep),
        ]
        with m.If(add & keep):
            m.d.sync += self.p.eq(self.p + product)
        with m.Elif(add):
            m.d.sync += self.p.eq(product)
        return m


PRIMITIVE = """\
// The module dsp_slice as the slice of an UltraScale+ device; the file dsp_slice.v is the same as behaviour.
// Ports and attributes: AMD UG974, DSP48E2. OPMODE: W = 0, Z = P or 0, Y and X = M.
module dsp_slice(clk, rst, a, d, b, add, keep, p);
  input clk, rst, add, keep;
  input [26:0] a, d;
  input [17:0] b;
  output [47:0] p;
  reg add_1;
  always @(posedge clk) add_1 <= rst ? 1'b0 : add;
  DSP48E2 #(
    .AMULTSEL("AD"), .BMULTSEL("B"), .PREADDINSEL("A"), .USE_MULT("MULTIPLY"),
    .AREG(1), .ACASCREG(1), .BREG(2), .BCASCREG(2), .DREG(1), .ADREG(1), .MREG(1), .PREG(1), .CREG(1),
    .OPMODEREG(1), .ALUMODEREG(1), .INMODEREG(1), .CARRYINREG(1), .CARRYINSELREG(1)
  ) slice (
    .CLK(clk), .A({{3{a[26]}}, a}), .B(b), .C(48'd0), .D(d), .P(p),
    .INMODE(5'b00100), .OPMODE({2'b00, 1'b0, keep, 1'b0, 4'b0101}), .ALUMODE(4'b0000), .CARRYIN(1'b0), .CARRYINSEL(3'b000),
    .ACIN(30'd0), .BCIN(18'd0), .PCIN(48'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
    .CEA1(1'b0), .CEA2(1'b1), .CEB1(1'b1), .CEB2(1'b1), .CEC(1'b1), .CED(1'b1), .CEAD(1'b1), .CEM(1'b1), .CEP(add_1),
    .CEALUMODE(1'b1), .CECARRYIN(1'b1), .CECTRL(1'b1), .CEINMODE(1'b1),
    .RSTA(rst), .RSTB(rst), .RSTC(rst), .RSTD(rst), .RSTM(rst), .RSTP(rst), .RSTALLCARRYIN(rst), .RSTALUMODE(rst),
    .RSTCTRL(rst), .RSTINMODE(rst)
  );
endmodule
"""

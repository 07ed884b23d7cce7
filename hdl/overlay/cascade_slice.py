"""A DSP48E2 in a cascade: pre-adder, multiplier, and what the slice before has added up, as a primitive and as its twin."""

from amaranth import EnableInserter, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim.pe.dsp_packed import A_BITS, B_BITS, P_BITS


class CascadeSlice(wiring.Component):
    """``p = (chain ? cascade : 0) + (a + d) * b`` with the registers of the slice.

    Ports: ``a``, ``d`` and ``b`` [27, 27, 18 bit, signed]; ``cascade`` [48 bit] is ``onward`` of the slice before, the same as
    its ``p``, which has its operands a cycle earlier; ``chain`` belongs to the operands two cycles before it and says whether
    what is before is added: if not, the cascade is broken here. Everything moves on by a cycle with ``advance`` and else stays.
    Latency: 4 cycles from the operands to ``p``: ports, pre-adder, product, sum (AMD UG579).

    This is the behaviour; :data:`PRIMITIVE` is the same module as the slice itself, where ``cascade`` and ``onward`` are the
    wires of the cascade, which lead nowhere else.
    """

    module_name = "cascade_slice"

    def __init__(self) -> None:
        super().__init__(
            {
                "a": In(signed(A_BITS)),
                "d": In(signed(A_BITS)),
                "b": In(signed(B_BITS)),
                "chain": In(1),
                "advance": In(1),
                "cascade": In(signed(P_BITS)),
                "p": Out(signed(P_BITS)),
                "onward": Out(signed(P_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        a, d, packed = (Signal(signed(A_BITS), name=name) for name in ("a_1", "d_1", "packed"))
        b_1, b_2 = (Signal(signed(B_BITS), name=name) for name in ("b_1", "b_2"))
        product, chain = Signal(signed(A_BITS + B_BITS)), Signal(name="chain_1")
        m.d.sync += [
            a.eq(self.a),
            d.eq(self.d),
            b_1.eq(self.b),
            packed.eq(a + d),
            b_2.eq(b_1),
            product.eq(packed * b_2),
            chain.eq(self.chain),
        ]
        with m.If(chain):
            m.d.sync += self.p.eq(self.cascade + product)
        with m.Else():
            m.d.sync += self.p.eq(product)
        m.d.comb += self.onward.eq(self.p)
        enabled: Module = EnableInserter(self.advance)(m)
        return enabled


PRIMITIVE = """\
// The module cascade_slice as the slice of an UltraScale+ device; the file cascade_slice.v is the same as behaviour.
// Ports and attributes: AMD UG974, DSP48E2. OPMODE: W = 0, Z = PCIN or 0, Y and X = M.
module cascade_slice(clk, rst, a, d, b, chain, advance, cascade, p, onward);
  input clk, rst, chain, advance;
  input [26:0] a, d;
  input [17:0] b;
  input [47:0] cascade;
  output [47:0] p, onward;
  DSP48E2 #(
    .AMULTSEL("AD"), .BMULTSEL("B"), .PREADDINSEL("A"), .USE_MULT("MULTIPLY"),
    .AREG(1), .ACASCREG(1), .BREG(2), .BCASCREG(2), .DREG(1), .ADREG(1), .MREG(1), .PREG(1), .CREG(1),
    .OPMODEREG(1), .ALUMODEREG(1), .INMODEREG(1), .CARRYINREG(1), .CARRYINSELREG(1)
  ) slice (
    .CLK(clk), .A({{3{a[26]}}, a}), .B(b), .C(48'd0), .D(d), .P(p), .PCOUT(onward), .PCIN(cascade),
    .INMODE(5'b00100), .OPMODE({2'b00, 2'b00, chain, 4'b0101}), .ALUMODE(4'b0000), .CARRYIN(1'b0), .CARRYINSEL(3'b000),
    .ACIN(30'd0), .BCIN(18'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
    .CEA1(1'b0), .CEA2(advance), .CEB1(advance), .CEB2(advance), .CEC(1'b1), .CED(advance), .CEAD(advance), .CEM(advance),
    .CEP(advance), .CEALUMODE(1'b1), .CECARRYIN(1'b1), .CECTRL(advance), .CEINMODE(1'b1),
    .RSTA(rst), .RSTB(rst), .RSTC(rst), .RSTD(rst), .RSTM(rst), .RSTP(rst), .RSTALLCARRYIN(rst), .RSTALUMODE(rst),
    .RSTCTRL(rst), .RSTINMODE(rst)
  );
endmodule
"""

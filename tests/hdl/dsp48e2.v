// A DSP48E2 as AMD UG579 describes it (chapter 2: registers, INMODE, OPMODE, ALUMODE, cascades), of what the project's text uses:
// the pre-adder before a multiplier of 27 x 18 bits, and sums with P or PCIN. Anything else ends the simulation.
module DSP48E2 #(
  parameter AMULTSEL = "A", BMULTSEL = "B", PREADDINSEL = "A", USE_MULT = "MULTIPLY",
  parameter integer AREG = 1, ACASCREG = 1, BREG = 1, BCASCREG = 1, CREG = 1, DREG = 1, ADREG = 1, MREG = 1, PREG = 1,
  parameter integer OPMODEREG = 1, ALUMODEREG = 1, INMODEREG = 1, CARRYINREG = 1, CARRYINSELREG = 1
) (
  input CLK,
  input signed [29:0] A, input signed [17:0] B, input [47:0] C, input signed [26:0] D,
  input [29:0] ACIN, input [17:0] BCIN, input signed [47:0] PCIN, input CARRYCASCIN, MULTSIGNIN, CARRYIN,
  input [4:0] INMODE, input [8:0] OPMODE, input [3:0] ALUMODE, input [2:0] CARRYINSEL,
  input CEA1, CEA2, CEB1, CEB2, CEC, CED, CEAD, CEM, CEP, CEALUMODE, CECARRYIN, CECTRL, CEINMODE,
  input RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTALLCARRYIN, RSTALUMODE, RSTCTRL, RSTINMODE,
  output signed [47:0] P, output signed [47:0] PCOUT
);
  initial begin
    if (AMULTSEL != "AD" || BMULTSEL != "B" || PREADDINSEL != "A" || USE_MULT != "MULTIPLY") $fatal(1, "another multiplier");
    if (AREG != 1 || ACASCREG != 1 || BREG != 2 || BCASCREG != 2 || DREG != 1 || ADREG != 1) $fatal(1, "other input registers");
    if (CREG != 1 || MREG != 1 || PREG != 1 || OPMODEREG != 1 || ALUMODEREG != 1 || INMODEREG != 1) $fatal(1, "other registers");
    if (CARRYINREG != 1 || CARRYINSELREG != 1) $fatal(1, "other registers of carries");
  end

  // With one register of A it is the second one, which CEA2 enables. A reset goes before an enable.
  reg signed [29:0] a2 = 0;
  reg signed [17:0] b1 = 0, b2 = 0;
  reg signed [26:0] d = 0, ad = 0;
  reg signed [44:0] m = 0;
  reg signed [47:0] p = 0;
  reg [4:0] inmode = 0;
  reg [8:0] opmode = 0;
  reg [3:0] alumode = 0;
  reg [2:0] carryinsel = 0;
  reg carryin = 0;

  // INMODE[3] subtracts, [2] lets D in, [1] keeps A out; [4] and [0] would choose first registers.
  wire signed [26:0] of_a = inmode[1] ? 27'sd0 : a2[26:0], of_d = inmode[2] ? d : 27'sd0;
  // W, X, Y, Z: X and Y are the multiplier's two partial sums, which only together are a number.
  wire signed [47:0] xy = opmode[3:0] == 4'b0101 ? 48'(m) : 48'sd0;
  wire signed [47:0] z = opmode[6:4] == 3'b001 ? PCIN : opmode[6:4] == 3'b010 ? p : 48'sd0;

  always @(posedge CLK) begin
    if (inmode[4] || inmode[0]) $fatal(1, "INMODE %b", inmode);
    if (opmode[8:7] != 0 || (opmode[3:0] != 4'b0101 && opmode[3:0] != 0) || opmode[6:4] > 2) $fatal(1, "OPMODE %b", opmode);
    if (alumode != 0 || carryinsel != 0) $fatal(1, "ALUMODE %b CARRYINSEL %b", alumode, carryinsel);
    if (RSTA) a2 <= 0; else if (CEA2) a2 <= A;
    if (RSTB) b1 <= 0; else if (CEB1) b1 <= B;
    if (RSTB) b2 <= 0; else if (CEB2) b2 <= b1;
    if (RSTD) d <= 0; else if (CED) d <= D;
    if (RSTD) ad <= 0; else if (CEAD) ad <= inmode[3] ? of_d - of_a : of_d + of_a;
    if (RSTM) m <= 0; else if (CEM) m <= ad * b2;
    if (RSTP) p <= 0; else if (CEP) p <= z + xy + 48'(carryin);
    if (RSTINMODE) inmode <= 0; else if (CEINMODE) inmode <= INMODE;
    if (RSTCTRL) opmode <= 0; else if (CECTRL) opmode <= OPMODE;
    if (RSTCTRL) carryinsel <= 0; else if (CECTRL) carryinsel <= CARRYINSEL;
    if (RSTALUMODE) alumode <= 0; else if (CEALUMODE) alumode <= ALUMODE;
    if (RSTALLCARRYIN) carryin <= 0; else if (CECARRYIN) carryin <= CARRYIN;
  end

  assign P = p;
  assign PCOUT = p;
endmodule

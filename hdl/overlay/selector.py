"""One word of sixteen: what is before each multiplier of a sparse vector unit, and before its port."""

from amaranth import Array, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WORDS = 16


class Selector(wiring.Component):
    """``chosen = words[place]``, of 16 words of ``width`` [bit], the first lowest. No latency.

    ``primitive`` is the same module for UltraScale+: of each bit four LUTs, and the multiplexers behind LUTs that a slice has
    (AMD UG574, chapter 2, Multiplexers), which synthesis tools find or do not: Yosys takes eight LUTs.
    """

    def __init__(self, width: int) -> None:
        self.width, self.module_name = width, f"selector_{width}"
        super().__init__({"words": In(WORDS * width), "place": In(range(WORDS)), "chosen": Out(width)})

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        m.d.comb += self.chosen.eq(Array(self.words.word_select(i, self.width) for i in range(WORDS))[self.place])
        return m

    @property
    def primitive(self) -> str:
        """The module's text with the multiplexers of slices."""
        return PRIMITIVE.format(
            name=self.module_name, width=self.width, top_of_words=WORDS * self.width - 1, top=self.width - 1
        )

    def placed(self, m: Module, name: str, words: Value, place: Value) -> Signal:
        """What one of these chooses."""
        chosen = Signal(self.width, name=f"{name}_chosen")
        m.submodules[name] = Instance(self.module_name, i_words=words, i_place=place, o_chosen=chosen)
        return chosen


PRIMITIVE = """\
module {name}(words, place, chosen);
  input [{top_of_words}:0] words;
  input [3:0] place;
  output [{top}:0] chosen;
  genvar i, j;
  generate
    for (i = 0; i < {width}; i = i + 1) begin : of_bit
      wire [3:0] of_four;
      wire [1:0] of_eight;
      for (j = 0; j < 4; j = j + 1) begin : of_place
        assign of_four[j] = place[1] ? (place[0] ? words[{width} * (4 * j + 3) + i] : words[{width} * (4 * j + 2) + i])
                                     : (place[0] ? words[{width} * (4 * j + 1) + i] : words[{width} * (4 * j) + i]);
      end
      MUXF7 low (.I0(of_four[0]), .I1(of_four[1]), .S(place[2]), .O(of_eight[0]));
      MUXF7 high (.I0(of_four[2]), .I1(of_four[3]), .S(place[2]), .O(of_eight[1]));
      MUXF8 both (.I0(of_eight[0]), .I1(of_eight[1]), .S(place[3]), .O(chosen[i]));
    end
  endgenerate
endmodule
"""

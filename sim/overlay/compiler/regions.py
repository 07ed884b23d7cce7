"""Where numbers lie in the activation buffer while a program runs."""

from dataclasses import dataclass
from functools import cached_property

from sim.errors import InputError
from sim.overlay.cells import FP16_BYTES, aligned
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign

FP32_BYTES = 4

PAIRS = 2
"""Sets of what belongs to a tile of heads, so that one is multiplied while another goes through the softmax."""


@dataclass(frozen=True)
class Regions:
    """Addresses [byte] for ``new`` tokens with a cache padded to ``length``, ``heads`` of keys at once.

    What only attention needs, what only the feed-forward network needs, and the logits lie in the same place.
    """

    decoder: Decoder
    design: OverlayDesign
    new: int
    length: int
    heads: int

    def check(self) -> None:
        """Raise ``InputError`` where the buffer is too small, with what would do."""
        if self.end > self.design.activation_bytes:
            prefill = "" if self.new == 1 else f", or prefill_step is less than {self.new}"
            raise InputError(
                f"new tokens {self.new} and a cache of {self.length} take {self.end:,} bytes of the activation buffer of "
                f"{self.design.name}, so activation_buffer_kib is at least {-(-self.end // 1024)}, not "
                f"{self.design.activation_buffer_kib}{prefill}"
            )

    @cached_property
    def always(self) -> dict[str, int]:
        """Sizes of what is needed throughout, and of what is loaded ahead."""
        d, new = self.decoder, self.new
        scales = {f"value_scales{pair}": self.heads * self.length * self.design.scale_bytes for pair in range(PAIRS)}
        return scales | {
            "stream": new * d.hidden * FP16_BYTES,
            "norm": 2 * aligned(d.hidden * FP16_BYTES),
            "normed": new * d.hidden * FP16_BYTES,
            "codes": self._coded(new, d.hidden),
            "positions": new * d.head_dim * FP16_BYTES,
            "branch": new * d.hidden * FP16_BYTES,
        }

    @cached_property
    def phases(self) -> tuple[dict[str, int], ...]:
        """Sizes of what attention, the feed-forward network and the head need."""
        d, new = self.decoder, self.new
        inner, cached, rows = d.heads * d.head_dim, d.kv_heads * d.head_dim, self.heads * new * d.queries
        attention = {
            "query": new * inner * FP16_BYTES,
            "key": new * cached * FP16_BYTES,
            "value": new * cached * FP16_BYTES,
            "query_codes": self._coded(new * d.heads, d.head_dim),
            "key_codes": self._coded(new * d.kv_heads, d.head_dim),
            "value_codes": self._coded(new * d.kv_heads, d.head_dim),
            "mixed": new * inner * FP16_BYTES,
            "mixed_codes": self._coded(new, inner),
        }
        for pair in range(PAIRS):
            attention[f"scores{pair}"] = rows * self.length * FP16_BYTES
            powers = aligned(rows * FP32_BYTES) if self.design.quantized else 0
            attention[f"score_codes{pair}"] = self._coded(rows, self.length) + powers
        network = {"up": new * d.intermediate * FP16_BYTES, "up_codes": self._coded(new, d.intermediate)}
        if d.gated:
            network["gate"] = new * d.intermediate * FP16_BYTES
        return attention, network, {"logits": d.vocabulary * FP16_BYTES}

    def _coded(self, rows: int, length: int) -> int:
        """Codes of rows, and behind them a scale of fp16 for each; nothing where fp16 numbers are multiplied."""
        if not self.design.quantized:
            return 0
        return aligned(rows * length * self.design.operand_bytes) + aligned(rows * self.design.scale_bytes)

    @cached_property
    def _starts(self) -> dict[str, int]:
        starts, end = _placed(self.always, 0)
        ends = [end]
        for phase in self.phases:
            found, end = _placed(phase, ends[0])
            starts |= found
            ends.append(end)
        return starts | {"end": max(ends)}

    def __getitem__(self, name: str) -> int:
        return self._starts[name]

    def written(self, name: str) -> tuple[str, ...]:
        """What is no longer there when a region has been written: itself, and where it lies, those of other phases."""
        return self._lost[name]

    @cached_property
    def _lost(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {name: (name,) for name in self.always}
        for phase in self.phases:
            others = tuple(name for other in self.phases if other is not phase for name in other)
            found |= {name: (name, *others) for name in phase}
        return found

    @property
    def end(self) -> int:
        """All bytes."""
        return self._starts["end"]


def _placed(sizes: dict[str, int], at: int) -> tuple[dict[str, int], int]:
    """Addresses one behind the other, and the end."""
    starts = {}
    for name, size in sizes.items():
        starts[name] = at
        at += aligned(size)
    return starts, at

"""A program in the making: slots, transfers, products and operations of the special-function unit, one after the other."""

from dataclasses import dataclass, field
from functools import lru_cache

from sim.errors import InputError
from sim.overlay.cells import FP16_BYTES, aligned
from sim.overlay.compiler.emission import Emitter
from sim.overlay.compiler.memory_map import MemoryMap
from sim.overlay.compiler.regions import Regions
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, Engine
from sim.overlay.isa.instructions import BUFFERS, LAYOUTS, SPECIAL
from sim.overlay.tile_cycles import tile_cycles


@lru_cache
def _cycles(engine: Engine, k: int, columns: int, density: int, mode: str, group_size: int) -> int:
    """:func:`sim.overlay.tile_cycles.tile_cycles` of a pass: most tiles are as large as the one before."""
    return int(tile_cycles(engine, 1, k, columns, density, mode, group_size))


@dataclass
class Code:
    """A program in the making: ``new`` tokens, the first of which has at most ``length - new`` before it."""

    map: MemoryMap
    new: int
    length: int
    emitter: Emitter = field(default_factory=Emitter)
    ring: int = 0

    def __post_init__(self) -> None:
        one = self.map.keys_bytes(self.length)
        self.heads = min(self.decoder.kv_heads, self.design.slot_bytes // one)
        if not self.heads:
            raise InputError(
                f"a slot of {self.design.name} holds a head's {self.length} keys, {one:,} bytes, so slot_kib is at least "
                f"{-(-one // 1024)}, not {self.design.slot_kib}"
            )
        while True:
            self.at = Regions(self.decoder, self.design, self.new, self.length, self.heads)
            if self.at.end <= self.design.activation_bytes or self.heads == 1:
                break
            self.heads -= 1
        self.at.check()

    @property
    def decoder(self) -> Decoder:
        return self.map.decoder

    @property
    def design(self) -> OverlayDesign:
        return self.map.design

    @property
    def multiply(self) -> str:
        """The instruction of products."""
        return "MV" if self.new == 1 else "MM"

    def slot(self) -> int:
        """The next slot of the weight buffer."""
        self.ring = (self.ring + 1) % self.design.slots
        return self.ring

    def fill(
        self, step: str, slot: int, memory: int, size: int, runs: int = 1, pitch: int = 0, skip: int = 0, cache: str = ""
    ) -> None:
        """Load into a slot."""
        self.emitter.emit(
            step, "LD", reads=(cache,) if cache else (), writes=(f"slot{slot}",), buffer=BUFFERS.index("weight"),
            address=slot * self.design.slot_bytes + skip, memory=memory, size=size, runs=runs, pitch=pitch,
        )  # fmt: skip

    def load(
        self, step: str, region: str, memory: int, size: int, runs: int = 1, pitch: int = 0, indexed: int = 0, cache: str = ""
    ) -> None:
        """Load into the activation buffer."""
        self.emitter.emit(
            step, "LD", reads=(cache,) if cache else (), writes=self.at.written(region), buffer=BUFFERS.index("activation"),
            address=self.at[region], memory=memory, size=size, runs=runs, pitch=pitch, indexed=indexed,
        )  # fmt: skip

    def store(
        self, step: str, region: str, memory: int, size: int, runs: int = 1, pitch: int = 0, indexed: int = 0, skip: int = 0,
        cache: str = "stored",
    ) -> None:  # fmt: skip
        """Store from the activation buffer."""
        self.emitter.emit(
            step, "ST", reads=(region,), writes=(cache,), buffer=BUFFERS.index("activation"),
            address=self.at[region] + skip, memory=memory, size=size, runs=runs, pitch=pitch, indexed=indexed,
        )  # fmt: skip

    def spill(self, step: str, region: str, size: int) -> None:
        """Out and in again, where nothing stays on the chip."""
        if not self.design.on_chip:
            self.store(step, region, self.map.scratch, size, cache="scratch")
            self.load(step, region, self.map.scratch, size, cache="scratch")

    def engine(
        self, step: str, slot: int, source: str, target: str, m: int, k: int, n: int, layout: str, heads: int = 1,
        skip: int = 0, target_skip: int = 0, group: int = 1, multiply: str = "", **fields: int,
    ) -> None:  # fmt: skip
        """A tile's product."""
        engine, multiply = self.design.engine, multiply or self.multiply
        density = self.design.kept if layout == "sparse" else BLOCK
        columns = heads * -(-n // BLOCK) * BLOCK
        cycles = _cycles(engine, k, columns, density, multiply.lower(), self.design.group_size)
        fields |= {"m": m, "k": k, "n": n, "heads": heads, "group": group, "cycles": cycles}
        self.emitter.emit(
            step, multiply, reads=(f"slot{slot}", source), writes=self.at.written(target),
            weights=slot * self.design.slot_bytes, source=self.at[source] + skip, target=self.at[target] + target_skip,
            layout=LAYOUTS.index(layout), **fields,
        )  # fmt: skip

    def coded(
        self, step: str, operation: str, source: str, target: str, rows: int, length: int, second: str = "", **fields: int
    ) -> str:
        """Where a product finds what ``source`` has: in ``target`` as codes, or there, where fp16 numbers are multiplied."""
        if not self.design.quantized:
            return source
        self.special(step, operation, source, target, rows, length, second, **fields)
        return target

    def scales(self, region: str, numbers: int) -> int:
        """Address of the scales behind so many codes, if there are any."""
        return self.at[region] + aligned(numbers) if self.design.quantized else 0

    def special(
        self, step: str, operation: str, source: str, target: str, rows: int, length: int, second: str = "",
        pitch: int = 0, heads: int = 1, group: int = 1, scalar: int = 0, last: int = 0,
    ) -> None:  # fmt: skip
        """An operation of the special-function unit."""
        reads = (source, second) if second else (source,)
        self.emitter.emit(
            step, "MISC", reads=reads, writes=self.at.written(target), operation=SPECIAL.index(operation),
            source=self.at[source], second=self.at[second] if second else 0, target=self.at[target], rows=rows, length=length,
            pitch=pitch or length * heads * FP16_BYTES, heads=heads, group=group, scalar=scalar, last=last,
        )  # fmt: skip

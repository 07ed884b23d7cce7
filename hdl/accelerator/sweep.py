"""Addresses of consecutive words, of which a stretch is read again and again."""

from dataclasses import dataclass

from amaranth import Module, Mux, Signal, Value


@dataclass(frozen=True)
class Sweep:
    """When a sweep of a buffer starts, and what is said with it of the next one.

    The next sweep goes on after this one; or ``returns`` to the mark, or ``restarts`` at 0. The place where it begins becomes
    the mark if this one ``marks``. ``ends``: the buffer's words are not needed after this sweep.
    """

    start: Value
    returns: Value
    marks: Value
    ends: Value
    restarts: Value

    def run(self, m: Module, name: str, address: Signal, length: int) -> Signal:
        """Drive ``address`` with a word a cycle from the cycle of ``start`` on; returns whether it is the last one's end."""
        left = Signal(range(max(2, length)), name=f"{name}_left")
        active, finishes, ended = Signal(name=f"{name}_active"), Signal(name=f"{name}_finishes"), Signal(name=f"{name}_ends")
        said = {}
        for flag in ("returns", "marks", "ends", "restarts"):
            held, now = Signal(name=f"{name}_{flag}_held", reset_less=True), Signal(name=f"{name}_{flag}_now")
            m.d.comb += now.eq(Mux(self.start, getattr(self, flag), held))
            m.d.sync += held.eq(now)
            said[flag] = now
        mark, following = Signal.like(address, name=f"{name}_mark"), Signal.like(address, name=f"{name}_following")
        m.d.comb += [
            active.eq(self.start | (left != 0)),
            finishes.eq(Mux(self.start, length == 1, left == 1)),
            ended.eq(finishes & said["ends"]),
            following.eq(Mux(finishes & said["restarts"], 0, Mux(finishes & said["returns"], mark, address + 1))),
        ]
        with m.If(self.start):
            m.d.sync += left.eq(length - 1)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(active):
            m.d.sync += address.eq(following)
        with m.If(finishes & said["marks"]):
            m.d.sync += mark.eq(following)
        return ended

"""Claims proved by Yosys's SAT solver: no input makes the hardware differ from its reference."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hdl.proof.claims import Claim, texts
from hdl.tools.yosys import YosysError, find_yosys
from sim.errors import Failure

PREPARE = "hierarchy -check; proc; flatten; opt; memory_map; opt -full; clean"
CLAIM = re.compile(r"^claim: (\w+)$", re.MULTILINE)
SIGNAL = re.compile(r"^ +\\(\w+) +\S+ +\S+ +([01x]+) *$", re.MULTILINE)
SHOWN = ("number", "place", "expected_number", "expected_place")
PROVED = "SAT proof finished - no model found: SUCCESS!"
REFUTED = "SAT proof finished - model found: FAIL!"


class ProofError(Failure):
    """A claim does not hold; the message has the inputs that refute it."""


def prove(claims: Sequence[Claim], timeout: float | None = None) -> int:
    """Prove all claims in one run of Yosys; returns how many there are.

    Raises :class:`ProofError` with the first counterexample, and ``TimeoutError`` after ``timeout`` [s].
    """
    folder = Path(tempfile.mkdtemp(prefix="shiftwise-proof-"))
    files = {f"{claim.name}.v": texts(claim) for claim in claims}
    questions = [question for claim in claims for question in _questions(claim)]
    script = "\n".join([*(f"read_verilog {name}" for name in files), PREPARE, *questions, ""])
    log = find_yosys().run("script prove.ys", {**files, "prove.ys": script}, folder, timeout)
    answers = CLAIM.split(log)[1:]
    for name, answer in zip(answers[::2], answers[1::2], strict=True):
        if REFUTED in answer:
            shutil.rmtree(folder)
            raise ProofError(_counterexample(next(claim for claim in claims if claim.name == name), answer))
        if PROVED not in answer:
            raise YosysError(f"Yosys neither proved nor refuted {name}; its log is in {folder}")
    assert len(answers) == 2 * len(questions)
    shutil.rmtree(folder)
    return len(claims)


def _counterexample(claim: Claim, answer: str) -> str:
    bits = dict(SIGNAL.findall(answer))
    given = ", ".join(f"{name} {int(bits[name], 2):#x}" for name in claim.inputs)
    number, place, expected, expected_place = (_signed(bits[name]) for name in SHOWN)
    return f"{claim.name}: of {given} the hardware makes {number} * 2**{place}, not {expected} * 2**{expected_place}"


def _signed(bits: str) -> int:
    return int(bits, 2) - (int(bits[0]) << len(bits))


def _questions(claim: Claim) -> Iterator[str]:
    """Steps of Yosys; together their inputs are all inputs."""
    name, bits = next(iter(claim.inputs.items()))
    shown = ",".join((*claim.inputs, *SHOWN))
    parts = min(claim.parts, bits)
    for part in range(1 << parts):
        given = f" -set {name}[{bits - 1}:{bits - parts}] {part}" if parts else ""
        yield f"log claim: {claim.name}\nsat -prove wrong 0 -show {shown}{given} claim_{claim.name}"

"""How long an overlay's instructions take to compile and to run in time, and how near published speeds they come."""

import time

from benchmarks.figure import Figure
from reports.flightllm import CONTEXT, TOKENS_PER_S
from shiftwise.overlay.code import decode_cycles, storage
from sim.overlay.compiler import compile_step
from sim.overlay.design import load_overlay
from sim.overlay.timing import simulate
from workloads.overlay.decoder import load_decoder

STEPS = 2048


def overlay_figures() -> list[Figure]:
    """Of LLaMA-2-7B on FlightLLM's U280; the compiled loop is compiled before."""
    design, decoder = load_overlay("flightllm-u280"), load_decoder("llama-2-7b")
    simulate(compile_step(decoder, design, 1, 16, CONTEXT).program, design)
    start = time.perf_counter()
    code = compile_step(decoder, design, 1, STEPS // 2, CONTEXT)
    compiled = time.perf_counter()
    timing = simulate(code.program, design)
    one = time.perf_counter()
    decode_cycles(decoder, design, 1, STEPS)
    all_steps = time.perf_counter()
    stored = storage(decoder, design, STEPS)
    speed = design.clock_hz / timing.cycles
    what = f"llama-2-7b on flightllm-u280, {len(code.program):,} instructions"
    return [
        Figure("overlay: a decode step compiled", compiled - start, "s", None, "lower", what),
        Figure("overlay: a decode step in time", one - compiled, "s", 1.0, "lower", what),
        Figure(f"overlay: {STEPS} decode steps compiled and in time", all_steps - one, "s", 20.0, "lower", what),
        Figure("overlay: off FlightLLM's 55 tokens/s", abs(speed / TOKENS_PER_S - 1), "", 0.2, "lower", "at 1024 tokens"),
        Figure("overlay: code without sharing", stored["each_length"] / stored["shared"], "x", None, "higher", "2048 tokens"),
    ]

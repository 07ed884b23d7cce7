"""The whole accelerator against the model: every bit that leaves it, and every handshake of its streams in its cycle."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.accelerator.command import command_bits
from hdl.accelerator.top import Accelerator
from hdl.bench.vectors import RESET, Vectors, followed, fp32_bits, noise
from hdl.tools.verilator import Bench, Difference
from hdl.verify.verdict import ArrayVerdict, VerificationError
from sim.accelerator import Block, block_times, blocks_of
from sim.accelerator.blocks import COMMAND, Command, quartered
from sim.accelerator.depths import OPERANDS, word_bits
from sim.accelerator.events import INPUTS, Handshakes, handshakes
from sim.accelerator.streams import Operands, Words, operand_words, result_places, result_words
from sim.array import group_lengths
from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS

OFFERED, TAKEN = 0.6, 0.5
"""How often a word comes up that was not there, and a result is taken, where streams make each other wait."""

AFTERWARDS = 8
"""Cycles that are looked at when everything has been sent."""


def verify_accelerator(
    design: DesignPoint,
    shape: tuple[int, int, int],
    operands: Operands,
    expected: NDArray[np.float32],
    build_dir: Path,
    seed: int = 0,
    patient: bool = True,
) -> ArrayVerdict:
    """A product ``[m, k, n]`` block by block, its operands and ``expected[m, n]`` filled up to whole tiles.

    If streams are ``patient`` no one waits for them, and each block's cycles are those of :func:`sim.accelerator.block_times`.
    Otherwise blocks are smaller and more, all streams come and go at random, and in the middle of it all there is a reset,
    after which the product begins anew. Raises :class:`VerificationError` at the first difference.
    """
    accelerator, blocks = Accelerator(design), blocks_of(design, *shape)
    blocks = blocks if patient else quartered(design, blocks)
    vectors = accelerator_vectors(design, blocks, operands, expected, seed, patient)
    bench = Bench.of([*accelerator.parts, accelerator], build_dir)
    differences = bench.run(vectors)
    if differences:
        place = _place(design, blocks, vectors, differences[0])
        message = f"accelerator: {place}{differences[0]}; {len(differences)} outputs differ"
        raise VerificationError(message, partial(bench.keep_wave, differences[0].cycle, vectors))
    m, k, n = shape
    rows, columns = design.array.granule
    tiles = (-(-m // rows) if design.array.keeps_sums else 1) * -(-n // columns)
    return ArrayVerdict(design.name, m * n, tiles, tiles * len(group_lengths(design.group_size, k)), vectors.cycles)


def _place(design: DesignPoint, blocks: Sequence[Block], vectors: Vectors, difference: Difference) -> str:
    """Which result it is that differs, if it is one."""
    if difference.port != "m_axis_result_tdata":
        return ""
    # Words that have been taken since the last reset.
    resets = vectors.inputs.get(RESET, np.zeros(vectors.cycles))
    begun = int(np.flatnonzero(np.append(True, resets[: difference.cycle]))[-1])
    before = slice(begun, difference.cycle)
    word = (vectors.outputs["m_axis_result_tvalid"][before] & vectors.inputs["m_axis_result_tready"][before]).sum()
    row, column = result_places(design, blocks)[word]
    wrong = difference.got ^ difference.expected
    place = ((wrong & -wrong).bit_length() - 1) // OUTPUT_BITS
    activations, weights = design.element.lanes
    pe, lane = divmod(place, activations * weights)
    return f"row {row + lane // weights}, column {column + pe * weights + lane % weights} is wrong: "


def accelerator_vectors(
    design: DesignPoint,
    blocks: Sequence[Block],
    operands: Operands,
    expected: NDArray[np.float32],
    seed: int = 0,
    patient: bool = True,
) -> Vectors:
    """What is on the streams in each cycle; see :func:`verify_accelerator`. Data that nobody may look at is noise."""
    rng = np.random.default_rng(seed)
    cycles = block_times(design, blocks)[-1].sent + 1
    shown = partial(_vectors, design, blocks, operands, expected, rng)
    if patient:
        always = np.ones(cycles + AFTERWARDS, dtype=bool)
        run = handshakes(design, blocks, dict.fromkeys(INPUTS, always), always)
        assert _end(run) == cycles, "the closed form is wrong"
        return shown(run)

    def random_run(length: int) -> dict[str, Handshakes]:
        offers = {name: rng.random(length) < OFFERED for name in INPUTS}
        return handshakes(design, blocks, offers, rng.random(length) < TAKEN)

    broken_off, run = random_run(cycles), random_run(8 * cycles + 64)
    words = sum(Command.of(design, block).words(design).result for block in blocks)
    assert run["result"].taken == words, "not every result has been sent"
    end = _end(run) + AFTERWARDS
    return followed(shown(broken_off), cycles, shown({name: stream.until(end) for name, stream in run.items()}))


def _end(run: Mapping[str, Handshakes]) -> int:
    """Cycles until the last result has been taken."""
    return int(np.flatnonzero(run["result"].valid & run["result"].ready)[-1]) + 1


def _vectors(
    design: DesignPoint,
    blocks: Sequence[Block],
    operands: Operands,
    expected: NDArray[np.float32],
    rng: np.random.Generator,
    run: Mapping[str, Handshakes],
) -> Vectors:
    """The ports of a run."""
    words, ends = _packets(design, blocks, operands)
    results = result_words(design, blocks, fp32_bits(expected))
    last_results = np.cumsum([Command.of(design, block).words(design).result for block in blocks if block.ends]) - 1
    widths = {**word_bits(design), COMMAND: command_bits(design)}
    inputs: dict[str, NDArray[Any]] = {}
    outputs: dict[str, NDArray[Any]] = {}
    for name in INPUTS:
        stream, port = run[name], f"s_axis_{name}"
        cycles = len(stream.valid)
        inputs[f"{port}_tdata"] = _shown(stream, words[name], noise(rng, widths[name], cycles))
        inputs[f"{port}_tvalid"], outputs[f"{port}_tready"] = stream.valid, stream.ready
        if name != COMMAND:
            inputs[f"{port}_tlast"] = np.where(stream.valid, np.isin(stream.word, ends[name]), rng.random(cycles) < 0.5)
    stream = run["result"]
    inputs["m_axis_result_tready"], outputs["m_axis_result_tvalid"] = stream.ready, stream.valid
    outputs["m_axis_result_tdata"] = _shown(stream, results, np.zeros(len(stream.valid)))
    outputs["m_axis_result_tlast"] = np.isin(stream.word, last_results)
    return Vectors(inputs, outputs, dict.fromkeys(("m_axis_result_tdata", "m_axis_result_tlast"), stream.valid))


def _packets(
    design: DesignPoint, blocks: Sequence[Block], operands: Operands
) -> tuple[dict[str, Words], dict[str, NDArray[np.int64]]]:
    """The words of each input stream, and which of them end a packet."""
    packets = [operand_words(design, block, operands) for block in blocks]
    words = {name: [word for packet in packets for word in packet[name]] for name in OPERANDS}
    words[COMMAND] = [Command.of(design, block).word for block in blocks]
    return words, {name: np.cumsum([len(packet[name]) for packet in packets]) - 1 for name in OPERANDS}


def _shown(stream: Handshakes, words: Words, otherwise: NDArray[Any]) -> NDArray[Any]:
    """The word of each cycle in which there is one."""
    shown = otherwise.astype(object)
    for cycle in np.flatnonzero(stream.valid):
        shown[cycle] = words[stream.word[cycle]]
    return shown

"""Decoders by compiled programs: the bits of a plain forward pass."""

from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.compiler import compile_step
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.interpreter import Inference
from tests.sim.overlay.forward import (
    DENSE,
    DESIGNS,
    GPT,
    HALVES,
    LLAMA,
    ODD,
    SPARSE,
    TOKENS,
    forward,
    random_parameters,
    random_rows,
)

PROMPT = 21

CASES = [
    *((LLAMA, design) for design in DESIGNS),
    *((GPT, design) for design in (SPARSE, DESIGNS[2], HALVES)),
    *((ODD, design) for design in (DENSE, DESIGNS[4], HALVES)),
]


@pytest.mark.parametrize(("decoder", "design"), CASES, ids=lambda own: own.name)
def test_logits_are_those_of_the_forward_pass(decoder: Decoder, design: OverlayDesign) -> None:
    """A prompt that is no multiple of the padding, then token after token across a step of the code's length."""
    parameters, rows = random_parameters(decoder, design), random_rows(decoder)
    wanted = forward(decoder, design, parameters, rows)
    run = Inference(decoder, design, parameters)
    assert np.array_equal(run.append(rows[:PROMPT]), wanted[PROMPT - 1])
    for token in range(PROMPT, TOKENS):
        assert np.array_equal(run.append(rows[token : token + 1]), wanted[token]), token


def test_many_tokens_may_follow_at_any_place() -> None:
    parameters, rows = random_parameters(LLAMA, DENSE), random_rows(LLAMA)
    wanted = forward(LLAMA, DENSE, parameters, rows)
    run = Inference(LLAMA, DENSE, parameters, context=TOKENS)
    for first, last in ((0, 3), (3, 20), (20, TOKENS)):
        assert np.array_equal(run.append(rows[first:last]), wanted[last - 1])
    with pytest.raises(InputError, match="at most 27, not 28"):
        run.append(rows[:1])


def test_padding_has_room_behind_the_context() -> None:
    """A second program of 24 tokens for the last three of 27."""
    parameters, rows, design = random_parameters(LLAMA, DENSE), random_rows(LLAMA), replace(DENSE, prefill_step=24)
    run = Inference(LLAMA, design, parameters, context=TOKENS)
    assert np.array_equal(run.append(rows), forward(LLAMA, design, parameters, rows)[-1])


def test_the_designs_take_a_product_to_pieces() -> None:
    """Sums that are held from one part to the next, tiles of several parts, several tiles of heads: each is somewhere."""
    programs = [compile_step(LLAMA, design, new, 24).program for design in DESIGNS for new in (1, design.prefill_step)]
    assert any((program.column("MV", "part") == 3).any() for program in programs)
    assert (programs[-1].column("MV", "part") == 3).any(), "fp16 sums are held too"
    for name in ("MM", "MV"):
        found = [program.column(name, field) for program in programs for field in ("k", "cell", "heads")]
        assert any((k > 16 * cell)[cell > 0].any() for k, cell in zip(found[::3], found[1::3], strict=True)) or name == "MV"
        assert {1, 2} <= {int(heads) for column in found[2::3] for heads in column}

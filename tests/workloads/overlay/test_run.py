"""Networks by compiled programs: the logits of hardware in the loop, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from sim.errors import InputError
from sim.overlay.design import OverlayDesign, load_overlay
from tests.workloads.overlay.test_forward import network_of, tokens_of
from workloads.checkpoint import LanguageModel
from workloads.overlay.decoder import FAMILIES
from workloads.overlay.forward import overlay_logits
from workloads.overlay.hardware import OverlayHardware
from workloads.overlay.parameters import NAMES
from workloads.overlay.recipes import overlay_recipe
from workloads.overlay.run import Halves, Session
from workloads.recipes import RECIPES

DENSE = OverlayDesign(
    "dense", units=2, vector_units=4, chain=4, kept=16, group_size=64, slots=3, slot_kib=64, activation_buffer_kib=1024,
    special_lanes=16, decode_step=16, prefill_step=32, memory_gib=1,
)  # fmt: skip
SPARSE = replace(DENSE, name="sparse", kept=8, formats=(("query", "int3"), ("value", "int5"), ("up", "int3")))
DESIGNS = [
    DENSE,
    SPARSE,
    replace(SPARSE, name="off-chip", on_chip=False, kept=4, group_size=32),
    replace(SPARSE, name="blocks", kept=6, per_block=True),
    replace(DENSE, name="tables", weight_format="nf4_int8", formats=(("down", "e2m1"), ("head", "uint4"), ("key", "int8"))),
    replace(load_overlay("flightllm-u280"), prefill_step=32),
    load_overlay("dfx-u280"),
]


@pytest.mark.parametrize(
    ("design", "prompt", "steps"),
    [(design, *((100, 10) if design is SPARSE else (40, 2) if design.quantized else (6, 2))) for design in DESIGNS],
    ids=lambda own: getattr(own, "name", own),
)
def test_the_embedded_model(design: OverlayDesign, prompt: int, steps: int, tiny: LanguageModel, held_out: bytes) -> None:
    """A prompt that is no multiple of the padding, and steps behind it."""
    tokens = torch.tensor(list(held_out[: prompt + steps]))
    hardware = OverlayHardware(design, recipe=overlay_recipe(design, "nearest"))
    wanted = _wanted(tiny.network, hardware, tokens)
    session = Session(tiny.network, hardware, context=128)
    found = [session.append(tokens[:prompt]), *(session.append(token) for token in tokens[prompt:].split(1))]
    assert np.array_equal(np.stack(found), wanted[prompt - 1 :])
    with pytest.raises(InputError, match="at most 128, not 129"):
        session.append(torch.zeros(129 - len(tokens), dtype=torch.long))


def _wanted(network: PreTrainedModel, hardware: OverlayHardware, tokens: torch.Tensor) -> Halves:
    """Logits of hardware in the loop, which are fp16 numbers."""
    with torch.inference_mode():
        return overlay_logits(network, hardware)(tokens[None])[0].numpy().astype(np.float16)


SMALL = replace(DENSE, group_size=16, prefill_step=8, decode_step=4)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(family: str) -> None:
    """Learned positions, biases, one module of three products, a window: random networks of two layers."""
    network, hardware, tokens = network_of(family), OverlayHardware(SMALL), tokens_of(1)[0]
    wanted = _wanted(network, hardware, tokens)
    session = Session(network, hardware)
    found = [session.append(tokens[:13]), *(session.append(token) for token in tokens[13:].split(1))]
    assert np.array_equal(np.stack(found), wanted[12:])


def test_weights_of_a_calibration() -> None:
    """Both multiply by what GPTQ has left, which is not what rounding leaves."""
    network, hardware, tokens = network_of("qwen2"), OverlayHardware(SMALL), tokens_of(1)[0]
    hardware.calibrate(network, tokens[None], RECIPES["gptq"], lambda _: None)
    wanted = _wanted(network, hardware, tokens)
    assert np.array_equal(Session(network, hardware).append(tokens), wanted[-1])
    assert not np.array_equal(wanted, _wanted(network, OverlayHardware(SMALL), tokens))


def test_every_family_has_its_names() -> None:
    assert NAMES.keys() == FAMILIES.keys()


def test_formats_of_one_module_are_one() -> None:
    """GPT-2 has queries, keys and values in one matrix."""
    with pytest.raises(InputError, match="weights of key on dense are .* of .*int3"):
        Session(network_of("gpt2"), OverlayHardware(replace(SMALL, formats=(("key", "int3"),))))


def test_weights_that_are_not_pruned_do_not_fit_a_sparse_design() -> None:
    with pytest.raises(
        InputError, match="weights of .*q_proj do not fit sparse: blocks keep 8 of 16, which blocks of at least .16. do not"
    ):
        Session(network_of("opt"), OverlayHardware(replace(SPARSE, group_size=16)))

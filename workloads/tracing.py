"""Traces of models with weights: every operator of one pass over real tokens, with the products' operands if asked for."""

import torch
from torch import Tensor

from sim.errors import InputError
from workloads.checkpoint import LanguageModel
from workloads.meta_network import last_logits
from workloads.model_trace import ModelTrace, TracedProduct
from workloads.passes import Phase, check_pass
from workloads.recorder import Recorder


def trace_model(
    model: LanguageModel, tokens: Tensor, phase: Phase, batch: int, sequence: int, keep_operands: bool = False
) -> ModelTrace:
    """A prefill of ``batch`` sequences, or the decode step that makes each ``sequence`` tokens long.

    The sequences are consecutive stretches of ``tokens``. As in generation, only the last position's logits are
    computed. Raises ``InputError`` for a phase, batch or sequence that cannot be run.
    """
    check_pass(phase, batch, sequence)
    if sequence > model.context:
        raise InputError(f"sequence is at most the model's context of {model.context} tokens, not {sequence}")
    if batch * sequence > len(tokens):
        raise InputError(f"batch x sequence is at most the text's {len(tokens)} tokens, not {batch} x {sequence}")
    windows = tokens[: batch * sequence].reshape(batch, sequence)
    network, last = model.network, last_logits(model.network)
    recorder = Recorder(network, keep_operands, model.parameter)
    new, cache = windows, None
    if phase == "decode":
        new = windows[:, -1:]
        if sequence > 1:
            with torch.no_grad():
                cache = network(windows[:, :-1], use_cache=True, **last).past_key_values
    with recorder.watching():
        logits = network(new, past_key_values=cache, use_cache=phase == "decode", **last).logits
        recorder.sources([logits])
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return ModelTrace(
        model.name, parameters, recorder.operators(), sequence, new.numel(), dict(recorder.unknown), recorder.operands
    )


def trace(model: LanguageModel, tokens: Tensor, phase: Phase, batch: int, sequence: int) -> tuple[TracedProduct, ...]:
    """The products alone of :func:`trace_model`, with their operands."""
    return trace_model(model, tokens, phase, batch, sequence, keep_operands=True).traced

"""``trace``: what one pass of a model asks of an accelerator."""

from pathlib import Path

from shiftwise.request import read_text
from shiftwise.workload import DEFAULT_SEQUENCE
from workloads.checkpoint import load_model
from workloads.model_trace import ModelTrace
from workloads.passes import Phase, check_pass
from workloads.shapes import shapes
from workloads.tracing import trace_model


def trace(
    model: str = "tiny-stdlib",
    phase: Phase = "prefill",
    batch: int = 1,
    sequence: int | None = None,
    text: str | Path | None = None,
    operands: bool = False,
) -> ModelTrace:
    """The operators of one pass, in order: from sizes alone, or with the operands of every product.

    ``model`` is as in :func:`shiftwise.simulate`, a topology excepted. For operands it has weights, and is run on ``text``
    (default: the embedded held-out text). :func:`shiftwise.save_trace` and :func:`shiftwise.load_trace` keep traces in
    files. Raises ``InputError`` for input that cannot be used.
    """
    if not operands:
        return shapes(model, phase, batch, sequence)
    check_pass(phase, batch, sequence)
    content = read_text(text)
    language_model = load_model(model)
    length = DEFAULT_SEQUENCE if sequence is None else sequence
    return trace_model(language_model, language_model.encode(content), phase, batch, length, keep_operands=True)

"""Accuracy of a language model on a design: how well its text is predicted when the hardware computes every product.

A text is predicted in windows, each begun afresh, by a prefill of the window or token by token with the KV cache.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sim.errors import InputError
from sim.kernels.overflow import GroupSums
from workloads.checkpoint import LanguageModel
from workloads.hardware import Hardware
from workloads.kv_cache.whole import whole_cache
from workloads.passes import Phase
from workloads.products import products_by

WINDOW = 512
"""Tokens that are predicted together at most."""

TOGETHER = {"prefill": 1, "decode": 16}
"""Windows of a pass: a decode step takes about as long for one as for all of them."""

Logits = Callable[[Tensor], Tensor]
"""From tokens ``[windows, tokens]`` to logits ``[windows, tokens, vocabulary]``."""


def float_logits(network: nn.Module) -> Logits:
    """As torch computes them."""
    return lambda tokens: network(tokens, use_cache=False).logits


def prefill_logits(network: nn.Module, hardware: Hardware) -> Logits:
    """All tokens at once."""

    def logits(tokens: Tensor) -> Tensor:
        with products_by(network, hardware.multiply(tokens.shape[1])):
            found: Tensor = network(tokens, use_cache=False).logits
        return found

    return logits


def decode_logits(network: nn.Module, hardware: Hardware) -> Logits:
    """Token by token, with what the tokens before left in the KV cache, from which none is dropped."""

    def logits(tokens: Tensor) -> Tensor:
        steps, cache = [], whole_cache(network)
        with products_by(network, hardware.multiply(1)):
            for token in torch.split(tokens, 1, dim=1):
                step = network(token, past_key_values=cache, use_cache=True)
                steps.append(step.logits)
                cache = step.past_key_values
        return torch.cat(steps, dim=1)

    return logits


BY_HARDWARE: dict[Phase, Callable[[nn.Module, Hardware], Logits]] = {"prefill": prefill_logits, "decode": decode_logits}


def calibration_tokens(model: LanguageModel, text: bytes, most: int) -> Tensor:
    """The first tokens ``[sequences, tokens]`` of a text, at most so many sequences, each as long as a window."""
    tokens = model.encode(text)
    length = min(WINDOW, model.context, len(tokens))
    sequences = min(most, len(tokens) // length)
    return torch.reshape(tokens[: sequences * length], (sequences, length))


@dataclass(frozen=True)
class Judged:
    """Windows that were predicted, begun at the token ``start``: ``tokens`` predicted in all.

    Cross entropies [nat] of float and hardware are sums over tokens; of ``agreed`` tokens both find the same one likeliest.
    ``sums`` are what the hardware's products added up.
    """

    start: int
    tokens: int
    float_nats: float
    hardware_nats: float
    agreed: int
    sums: dict[str, GroupSums]


def judge(
    model: LanguageModel,
    tokens: Tensor,
    hardware: Hardware,
    phase: Phase = "prefill",
    known: Iterable[Judged] = (),
    logits: Logits | None = None,
) -> Iterator[Judged]:
    """Windows of ``tokens``, one pass's after the other; those that are ``known`` are returned as they are.

    ``logits`` are the hardware's, where they are others than those of :data:`BY_HARDWARE`. Raises ``InputError`` for fewer than
    two tokens.
    """
    _check(tokens)
    found = {judged.start: judged for judged in known}
    reference, tested = float_logits(model.network), logits or BY_HARDWARE[phase](model.network, hardware)
    for start, windows in _windows(tokens, min(WINDOW, model.context), TOGETHER[phase]):
        if start in found:
            yield found[start]
            continue
        hardware.sums.clear()
        inputs, targets = windows[:, :-1], windows[:, 1:]
        with torch.inference_mode():
            float_found, hardware_found = reference(inputs), tested(inputs)
        agreed = int((float_found.argmax(-1) == hardware_found.argmax(-1)).sum())
        nats = _nats(float_found, targets), _nats(hardware_found, targets)
        yield Judged(start, targets.numel(), *nats, agreed, dict(hardware.sums))


def bits_per_byte(model: LanguageModel, text: bytes, logits: Logits) -> float:
    """Cross entropy [bit per predicted byte] of one way to compute logits. Raises ``InputError`` for less than two tokens."""
    tokens = model.encode(text)
    _check(tokens)
    with torch.inference_mode():
        windows = (windows for _, windows in _windows(tokens, min(WINDOW, model.context), 1))
        nats = sum(_nats(logits(window[:, :-1]), window[:, 1:]) for window in windows)
    return nats / math.log(2) / model.predicted_bytes(text)


def _check(tokens: Tensor) -> None:
    if len(tokens) < 2:
        raise InputError(f"a text of at least 2 tokens is needed, not {len(tokens)}")


def _windows(tokens: Tensor, length: int, together: int) -> Iterator[tuple[int, Tensor]]:
    """Where each pass starts, and its windows ``[windows, length + 1]``: a window's last token is predicted alone."""
    whole = (len(tokens) - 1) // length
    for first in range(0, whole, together):
        last = min(first + together, whole)
        yield first * length, tokens[first * length : last * length + 1].unfold(0, length + 1, length)
    if whole * length < len(tokens) - 1:
        yield whole * length, tokens[None, whole * length :]


def _nats(logits: Tensor, targets: Tensor) -> float:
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()


def accuracy(judged: Iterable[Judged], text_bytes: int, predicted_bytes: int) -> dict[str, Any]:
    """Bits per byte of a text, perplexity of a token, and top-1 agreement, of all windows of a text.

    Of its ``text_bytes``, ``predicted_bytes`` are those of :meth:`workloads.checkpoint.LanguageModel.predicted_bytes`.
    """
    windows = list(judged)
    predicted = sum(window.tokens for window in windows)
    nats = {name: sum(getattr(window, f"{name}_nats") for window in windows) for name in ("float", "hardware")}
    return {
        "bytes": text_bytes,
        "tokens": predicted,
        **{f"{name}_bits_per_byte": total / math.log(2) / predicted_bytes for name, total in nats.items()},
        **{f"{name}_perplexity": _exponential(total / predicted) for name, total in nats.items()},
        "top1_agreement": sum(window.agreed for window in windows) / predicted,
    }


def _exponential(nats: float) -> float:
    """Infinity beyond what a float holds, 709 nats: a design that overflows may find text as unlikely as that."""
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def all_sums(judged: Iterable[Judged]) -> dict[str, GroupSums]:
    """The group sums of each product in all windows."""
    total: dict[str, GroupSums] = {}
    for window in judged:
        for name, sums in window.sums.items():
            total[name] = total.get(name, GroupSums()) + sums
    return total

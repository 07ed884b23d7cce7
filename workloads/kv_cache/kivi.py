"""KIVI: keys with a scale for each channel and group of tokens, values for each token and group of channels, a window in fp16.

Liu et al., "KIVI: a tuning-free asymmetric 2bit quantization for KV cache", ICML 2024, arXiv 2402.02750, section 3.3 and
algorithm 1, and the authors' code (github.com/jy-yuan/KIVI, ``models/llama_kivi.py``, ``quant/new_pack.py``). An unsigned
format has a minimum beside the scale, ``scale * code + minimum`` (section 3.1), both in fp16.

What a query sees is what it would see alone, one token decoded after the other, also in a prefill (in the authors' code a
prefill's queries see keys and values that are not quantized). For the query at position ``t``, with a window of ``R``:

    keys      t - t % R tokens are quantized: R at a time, after the step that brings the last of them
    values    tokens before t - R are quantized: the oldest one after each step beyond R tokens

All others, the query's own included, are in full precision: fp16, added up in fp32. Keys' scales lie on the axis over which
scores are added up, so a query is multiplied by them and quantized once for each group of tokens; values' scales are folded
into the probabilities once for each group of channels. A minimum adds the same to every number that shares it: the
full-precision product of the row by the minima.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import Format
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme, quantize, weight_scheme
from workloads.kv_cache.positions import positions
from workloads.kv_cache.products import SCALE, Array, Floats, at_array, folded_product, full_product

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Kivi:
    """The recipe: groups of ``group_size`` tokens or channels, ``window`` tokens in full precision (as in section 4.1).

    Raises ``InputError`` for a group below 1 and a window that is not made of whole groups.
    """

    group_size: int = 32
    window: int = 128

    def __post_init__(self) -> None:
        if self.group_size < 1:
            raise InputError(f"group size of a KV cache is at least 1, not {self.group_size}")
        if self.window < 1 or self.window % self.group_size:
            raise InputError(f"window of a KV cache is a multiple of its group size {self.group_size}, not {self.window}")

    def scores(self, queries: Floats, keys: Floats, new: int, array: Array) -> Floats:
        """``[m, tokens]`` of queries ``[m, d_head]`` and keys ``[d_head, tokens]``; of no meaning where masked."""
        tokens = keys.shape[1]
        quantized = self._whole_windows(positions(len(queries), tokens, new))
        result = np.zeros((len(queries), tokens), np.float32)
        if last := int(quantized.max()):
            cache = self._quantized(keys[:, :last], array.design.weight)
            shifts = _shifts(queries, cache)
            for group, tokens_of in enumerate(_slices(last, self.group_size)):
                rows = np.flatnonzero(quantized > tokens_of.start)
                weights = at_array(cache.codes[:, tokens_of], cache.format, array.design.group_size)
                part = folded_product(queries[rows], cache.level_values(0)[:, group], weights, array)
                result[rows, tokens_of] = part + shifts[rows, group, None]
        for start, rows in _alike(quantized):
            recent = slice(start, start + self.window)
            result[rows, recent] = full_product(queries[rows], keys[:, recent])
        return result

    def values(self, probabilities: Floats, values: Floats, new: int, array: Array) -> Floats:
        """``[m, d_head]`` of probabilities ``[m, tokens]``, 0 where masked, and values ``[tokens, d_head]``."""
        rows, tokens = probabilities.shape
        at = positions(rows, tokens, new)
        is_quantized = np.arange(tokens) < at[:, None] - self.window
        old, recent = (np.where(chosen, probabilities, 0) for chosen in (is_quantized, ~is_quantized))
        result = np.zeros((rows, values.shape[1]), np.float32)
        if (last := int(at.max()) - self.window) > 0:
            cache, old = self._quantized(values[:last], array.design.weight), old[:, :last]
            shifts = _shifts(old, cache)
            for group, channels in enumerate(_slices(values.shape[1], self.group_size)):
                weights = at_array(cache.codes[:, channels], cache.format, array.design.group_size)
                part = folded_product(old, cache.level_values(0)[:, group], weights, array)
                result[:, channels] = part + shifts[:, group, None]
        for start, rows_of in _alike(self._whole_windows(at)):
            seen = slice(max(start - self.window, 0), start + self.window)
            result[rows_of] += full_product(recent[rows_of, seen], values[seen])
        return result

    def bits(self, format_: Format, d_head: int) -> float:
        """Storage [bit] of a cached number outside the window, scales and minima included; the mean of keys and values."""
        scheme, groups = self._scheme(format_), (self.group_size, d_head)
        return sum(scheme.storage_bits((1, numbers), 1) / numbers for numbers in groups) / 2

    def _quantized(self, numbers: Floats, format_: Format) -> QuantizedTensor:
        """By groups along the second axis: of keys ``[d_head, tokens]``, of values ``[tokens, d_head]``."""
        return quantize(numbers, self._scheme(format_), axis=1)

    def _scheme(self, format_: Format) -> Scheme:
        zero = "none" if weight_scheme(format_, 1).zero == "none" else "minimum"
        return Scheme(format_, (ScaleLevel("group", SCALE),), zero, self.group_size)

    def _whole_windows(self, at: Rows) -> Rows:
        return at - at % self.window


def _slices(size: int, group_size: int) -> list[slice]:
    return [slice(start, min(start + group_size, size)) for start in range(0, size, group_size)]


def _alike(starts: Rows) -> Iterator[tuple[int, Rows]]:
    for start in np.unique(starts):
        yield int(start), np.flatnonzero(starts == start)


def _shifts(activations: Floats, cache: QuantizedTensor) -> Floats:
    """What the minima add ``[m, groups]``, where there are any."""
    if cache.zero is None:
        return np.zeros((len(activations), cache.scales[0].shape[1]), np.float32)
    return full_product(activations, cache.zero.astype(np.float32))

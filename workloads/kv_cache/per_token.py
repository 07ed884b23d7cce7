"""Keys and values with a scale of their own for each token and head, and a zero point where the format is unsigned.

Keys' scales are constant along ``d_head``, over which scores are added up, so they are applied after; values' are not, as
values are added up over tokens, so they are folded into the probabilities.
"""

from dataclasses import dataclass

import numpy as np

from sim.formats import Format
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme, quantize, weight_scheme
from workloads.kv_cache.products import SCALE, Array, Floats, at_array, expanded, folded_product, product


@dataclass(frozen=True)
class PerToken:
    """The recipe. 16-bit floats are kept as they are."""

    def scores(self, queries: Floats, keys: Floats, new: int, array: Array) -> Floats:
        """``[m, tokens]`` of queries ``[m, d_head]`` and keys ``[d_head, tokens]``."""
        del new
        cache = _cache(keys.T, array.design.weight)
        scales = cache.scales[0].T if cache.scales else None
        weights = at_array(
            cache.codes.T, cache.format, array.design.group_size, scales, None if cache.zero is None else cache.zero.T
        )
        return product(queries, weights, array)

    def values(self, probabilities: Floats, values: Floats, new: int, array: Array) -> Floats:
        """``[m, d_head]`` of probabilities ``[m, tokens]`` and values ``[tokens, d_head]``."""
        del new
        cache = _cache(values, array.design.weight)
        scales = cache.level_values(0)[:, 0] if cache.scales else np.ones(len(values))
        return folded_product(probabilities, scales, at_array(*expanded(cache), array.design.group_size), array)

    def bits(self, format_: Format, d_head: int) -> float:
        """Storage [bit] of a cached number, scales and zero points included."""
        return _scheme(format_).storage_bits((1, d_head), 1) / d_head


def _cache(numbers: Floats, format_: Format) -> QuantizedTensor:
    """Of ``[tokens, d_head]``."""
    return quantize(numbers, _scheme(format_), axis=1)


def _scheme(format_: Format) -> Scheme:
    if format_.name in ("fp16", "bf16"):
        return Scheme(format_)
    return Scheme(format_, (ScaleLevel("token", SCALE),), weight_scheme(format_, 1).zero)

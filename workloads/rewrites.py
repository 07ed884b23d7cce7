"""Operations of torch that have matrix products inside them, in terms of those of :mod:`workloads.aten_products`.

A rewrite takes the operation's arguments and does the same by simpler operations; ``NotImplemented`` where it cannot.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float | None = None,
    sinks: Tensor | None = None,
) -> Tensor:
    """Attention on ``[..., heads, tokens, head_dim]`` as two products and a softmax (Vaswani et al., arXiv 1706.03762).

    Queries that share a head of keys and values are stacked (Ainslie et al., arXiv 2305.13245). ``mask`` is added to the
    scores, or says where they count; ``softcap`` bounds them (Gemma team, arXiv 2408.00118, section 2); ``sinks [heads]``
    are one score more for each head. Rows that are masked whole give zeros.
    """
    heads, context, shape = key.shape[:-2], key.shape[-2], query.shape[:-1]
    stacked = query.reshape(*heads, -1, query.shape[-1])
    scores = (stacked @ key.mT).view(*shape, context)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if scale != 1:
        scores = scores * scale
    if softcap is not None:
        scores = (scores / softcap).tanh() * softcap
    if is_causal:
        scores = scores.masked_fill(scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril().logical_not(), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -torch.inf) if mask.dtype == torch.bool else scores + mask
    if sinks is not None:
        scores = torch.cat([scores, sinks.reshape(-1, 1, 1).expand(*shape, 1)], dim=-1)
    probabilities = torch.ops.aten._safe_softmax(scores, -1)[..., :context]
    mixed: Tensor = probabilities.reshape(*heads, -1, context) @ value
    return mixed.view(*shape, value.shape[-1])


def _fused_attention(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Any of torch's variants, whose arguments have the same names; what only the backward pass needs is empty."""
    schema = func._schema
    given = {argument.name: value for argument, value in zip(schema.arguments, args, strict=False)} | kwargs
    query, key = given["query"], given["key"]
    if given.get("dropout_p") or query.shape[:-3] != key.shape[:-3]:
        return NotImplemented
    mask = given.get("attn_mask", given.get("attn_bias"))
    causal, scale = given.get("is_causal", False), given.get("scale")
    out = attention(query, key, given["value"], mask, causal, scale)
    rest = [out.new_empty(0) if str(kind.type) == "Tensor" else 0 for kind in schema.returns[1:]]
    return (out, *rest) if rest else out


def _addmm(func: Any, bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Also ``baddbmm``."""
    del func
    y = a @ b
    y = y if alpha == 1 else y * alpha
    if beta == 0:  # the other summand is not read
        return y
    return y + (bias if beta == 1 else bias * beta)


def _addbmm(func: Any, bias: Tensor, a: Tensor, b: Tensor, **scales: float) -> Tensor:
    return _addmm(func, bias, a.transpose(0, 1).flatten(1), b.flatten(0, 1), **scales)


def _addmv(func: Any, bias: Tensor, a: Tensor, x: Tensor, **scales: float) -> Tensor:
    return _addmm(func, bias[..., None], a, x[:, None], **scales)[:, 0]


def _convolution(func: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Any:
    """One with a bias; without, it is a product."""
    if bias is None:
        return NotImplemented
    return func(x, weight, None, *options) + bias.view(-1, *[1] * len(options[0]))


def _grouped_mm(
    func: Any, rows: Tensor, experts: Tensor, offs: Tensor | None = None, bias: Any = None, out_dtype: Any = None
) -> Any:
    """Rows ``[rows, k]``, sorted by the expert that each of them goes to, by that expert's ``[k, n]``.

    ``offs`` has the end of each expert's rows. Where tensors have no numbers the rows are spread evenly: ``min(experts,
    rows)`` experts are at work, and where their rows differ, by one, there are two products. A skewed router loads fewer
    experts with more rows, so this is the lightest load of the busiest expert, and the most weights that are read.
    """
    del func
    if bias is not None or out_dtype not in (None, rows.dtype):
        return NotImplemented
    if offs is None and rows.ndim == experts.ndim == 3:
        return rows @ experts
    if offs is None or (rows.ndim, experts.ndim) != (2, 3):
        return NotImplemented
    if rows.is_meta:
        most, more = divmod(len(rows), len(experts))
        longer = more * (most + 1)
        parts = ((rows[:longer], experts[:more]), (rows[longer:], experts[more:]))
        grouped = [(some.view(len(at_work), -1, some.shape[1]) @ at_work) for some, at_work in parts if len(some)]
        return torch.cat([some.flatten(0, 1) for some in grouped])
    ends = offs.tolist()
    done = [rows[start:end] @ experts[i] for i, (start, end) in enumerate(pairwise([0, *ends])) if start < end]
    return torch.cat([*done, rows.new_zeros(len(rows) - ends[-1], experts.shape[2])])


REWRITES: dict[str, Callable[..., Any]] = {
    "addmm": _addmm,
    "baddbmm": _addmm,
    "addbmm": _addbmm,
    "addmv": _addmv,
    "mv": lambda _, a, x: (a @ x[:, None])[:, 0],
    "dot": lambda _, x, y: (x[None] @ y[:, None])[0, 0],
    "convolution": _convolution,
    "_grouped_mm": _grouped_mm,
    "grouped_mm_fallback": _grouped_mm,
    "scaled_dot_product_attention": _fused_attention,
    "_scaled_dot_product_flash_attention_for_cpu": _fused_attention,
    "_scaled_dot_product_flash_attention": _fused_attention,
    "_scaled_dot_product_efficient_attention": _fused_attention,
    "_scaled_dot_product_cudnn_attention": _fused_attention,
    "_scaled_dot_product_fused_attention_overrideable": _fused_attention,
}
"""By the name of the operation without its overload: from the operation itself and its arguments to its result."""

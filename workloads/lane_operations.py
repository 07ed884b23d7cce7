"""What the vector unit does for each of torch's operations that is no matrix product: operations of a lane per number.

Addition, multiplication and comparison are one operation each; a function (exponential, reciprocal square root, tanh, ...)
is one, as a unit with a table and interpolation does it in a pipeline. What only moves or names numbers costs nothing.
"""

from typing import NamedTuple


class Lane(NamedTuple):
    """``operations`` for each number, and the kind of vector work that the operation stands for (``None``: any)."""

    operations: int
    kind: str | None = None


LANES: dict[str, Lane] = (
    dict.fromkeys(["add", "sub", "rsub", "mul", "div", "neg", "abs", "pow", "square", "sign", "reciprocal"], Lane(1))
    | dict.fromkeys(["maximum", "minimum", "clamp_min", "clamp_max", "round", "floor", "ceil"], Lane(1))
    | dict.fromkeys(["eq", "ne", "lt", "le", "gt", "ge", "where", "masked_fill"], Lane(1))
    | dict.fromkeys(["sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "cumsum", "prod", "histc"], Lane(1))
    | dict.fromkeys(["exp", "exp2", "log", "log2", "log1p", "sqrt", "index_add", "scatter_add"], Lane(1))
    | dict.fromkeys(["clamp", "addcmul", "addcdiv"], Lane(2))
    | dict.fromkeys(["rsqrt"], Lane(1, "norm"))
    | dict.fromkeys(["cos", "sin"], Lane(1, "rotary"))
    | dict.fromkeys(["relu", "tanh", "sigmoid", "erf", "softplus"], Lane(1, "activation"))
    | dict.fromkeys(["silu", "gelu", "leaky_relu", "hardtanh", "elu", "mish"], Lane(2, "activation"))
    | {
        # compare, subtract, exponential, add, multiply by the reciprocal of the sum
        "_softmax": Lane(5, "softmax"),
        "_safe_softmax": Lane(5, "softmax"),
        "topk": Lane(1, "softmax"),  # compare with the least that is kept; routers of mixtures of experts
        # add for the mean; subtract, square, add for the variance; multiply by the root; multiply, add of the weights
        "native_layer_norm": Lane(7, "norm"),
        # square, add, multiply by the root, multiply by the weight
        "_fused_rms_norm": Lane(4, "norm"),
        "embedding": Lane(0, "embedding"),
    }
)
"""By the name of the aten operation without its overload; for each number of the largest operand or result."""

MOVES = (
    frozenset({"view", "_unsafe_view", "reshape", "_reshape_alias", "t", "transpose", "permute", "expand", "as_strided"})
    | {"squeeze", "unsqueeze", "slice", "select", "split", "split_with_sizes", "unbind", "alias", "detach", "diagonal"}
    | {"view_as_complex", "view_as_real"}
    | {"cat", "stack", "clone", "copy", "_to_copy", "repeat", "flip", "roll", "tril", "triu", "constant_pad_nd", "unfold"}
    | {"index", "index_select", "index_put", "gather", "scatter", "slice_scatter", "select_scatter", "fill", "zero"}
)
"""Operations that only move, name or convert numbers: transparent to the flow of data, and free."""

CREATES = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "scalar_tensor", "arange"}) | {
    "lift_fresh",
    "zeros",
    "zeros_like",
    "new_zeros",
    "ones",
    "ones_like",
    "new_ones",
    "full",
    "full_like",
    "new_full",
}
"""Operations whose results depend on no number: constants."""

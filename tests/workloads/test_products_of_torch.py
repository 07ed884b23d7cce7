"""Products seen in torch's operations, each computed by its factors: the result is the operation's own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sim.operators import Product
from workloads.products import Multiply, float_multiply, products_by
from workloads.recorder import Recorder

SEED = 20261122
functional = nn.functional


def drawn(*size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(SEED + sum(size)))


def half(tokens: int, context: int) -> Tensor:
    return torch.arange(tokens)[:, None] + 2 >= torch.arange(context)


q, k, v = drawn(2, 4, 5, 8), drawn(2, 2, 7, 8), drawn(2, 2, 7, 8) + 1
rows, experts = drawn(9, 8), drawn(4, 8, 4)

CASES: dict[str, tuple[Callable[[], Tensor], int]] = {
    "mm": (lambda: drawn(3, 4) @ drawn(4, 5), 60),
    "mm into": (lambda: torch.mm(drawn(3, 4), drawn(4, 5), out=torch.empty(3, 5)), 60),
    "addmm": (lambda: torch.addmm(drawn(5), drawn(3, 4), drawn(4, 5), beta=2, alpha=3), 60),
    "addmm of nothing": (lambda: torch.addmm(torch.full((5,), torch.nan), drawn(3, 4), drawn(4, 5), beta=0), 60),
    "addmm in place": (lambda: drawn(3, 5).addmm_(drawn(3, 4), drawn(4, 5)), 60),
    "baddbmm": (lambda: torch.baddbmm(drawn(2, 3, 5), drawn(2, 3, 4), drawn(2, 4, 5), alpha=0.5), 120),
    "addbmm": (lambda: torch.addbmm(drawn(3, 5), drawn(2, 3, 4), drawn(2, 4, 5)), 120),
    "addmv": (lambda: torch.addmv(drawn(3), drawn(3, 4), drawn(4)), 12),
    "mv": (lambda: drawn(3, 4) @ drawn(4), 12),
    "dot": (lambda: drawn(7) @ drawn(7), 7),
    "einsum": (lambda: torch.einsum("bik,bjk->jbi", drawn(2, 3, 4), drawn(2, 5, 4)), 120),
    "grouped_mm": (lambda: functional.grouped_mm(rows, experts, offs=torch.tensor([2, 2, 8, 9], dtype=torch.int32)), 9 * 8 * 4),
    "conv1d, causal": (lambda: functional.conv1d(drawn(2, 6, 9), drawn(6, 1, 4), drawn(6), padding=3, groups=6), 2 * 12 * 24),
    "conv2d": (
        lambda: functional.conv2d(drawn(2, 6, 9, 8), drawn(4, 3, 3, 2), drawn(4), (2, 1), (1, 2), (1, 3), 2),
        2 * 5 * 9 * 4 * 18,
    ),
    "conv_transpose2d": (
        lambda: functional.conv_transpose2d(
            drawn(2, 6, 4, 5), drawn(6, 3, 3, 2), drawn(6), (2, 3), (1, 0), (1, 1), groups=2, dilation=(2, 1)
        ),
        2 * 4 * 5 * 6 * 18,
    ),
    "attention": (lambda: functional.scaled_dot_product_attention(q, k, v, enable_gqa=True), 8 * 5 * 7 * 16),
    "attention of other widths": (
        lambda: functional.scaled_dot_product_attention(q, k, v[..., :6], enable_gqa=True),
        8 * 5 * 7 * 14,
    ),
    "causal attention": (
        lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0, enable_gqa=True),
        8 * 5 * 7 * 16,
    ),
    "masked attention": (
        lambda: functional.scaled_dot_product_attention(q, k, v, half(5, 7), enable_gqa=True),
        8 * 5 * 7 * 16,
    ),
    "biased attention": (
        lambda: functional.scaled_dot_product_attention(q, k, v, drawn(2, 4, 5, 7), enable_gqa=True),
        8 * 5 * 7 * 16,
    ),
}
"""Operations, and their multiply-accumulates by hand."""


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_its_products(name: str, guard: Callable[[], torch.no_grad]) -> None:
    function, macs = CASES[name]
    expected, found_macs = function(), 0

    def counted(_: str, activations: Tensor, weights: Tensor) -> Tensor:
        nonlocal found_macs
        found_macs += activations.numel() * weights.shape[2]
        return activations @ weights

    with guard(), products_by(nn.Module(), counted):
        found = function()
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    assert found_macs == macs


def test_tensors_of_inference_mode_show_operations_that_are_made_of_others() -> None:
    seen = []

    def noted(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        seen.append((name, tuple(activations.shape)))
        return activations @ weights

    with torch.inference_mode():
        queries, keys, values, weight = q.clone(), k.clone(), v.clone(), drawn(3, 8).clone()
        expected = functional.scaled_dot_product_attention(queries, keys, values, enable_gqa=True) @ weight.T
        with products_by(nn.Module(), noted):
            mixed = functional.scaled_dot_product_attention(queries, keys, values, enable_gqa=True)
            found = functional.linear(mixed, weight)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert seen[:2] == [("scores", (4, 10, 8)), ("values", (4, 10, 7))]
    assert len(seen) == 3


class Swapped(nn.Module):
    """Weights on the left, gathered weights, weights that are computed, a part of weights, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Parameter(drawn(3, 4))
        self.table = nn.Parameter(drawn(6, 4, 5))
        self.register_buffer("frequencies", drawn(4))

    def forward(self, x: Tensor, chosen: Tensor) -> tuple[Tensor, ...]:
        return (
            self.left @ x.T,
            torch.bmm(x[:2, None], self.table[chosen]),
            x @ (self.table[0] * self.table.sum(0).tanh()),
            x @ self.table[2],
            torch.arange(7.0)[:, None] @ self.frequencies[None],
        )


def names_of(multiply: Callable[[Multiply], None]) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    seen = []

    def noted(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        seen.append((name, tuple(activations.shape), tuple(weights.shape)))
        return float_multiply(name, activations, weights)

    multiply(noted)
    return seen


def test_weights_are_told_by_where_they_come_from() -> None:
    """They are the second factor whatever side they are on; positions by frequencies sum nothing, and are no product."""
    module, x, chosen = Swapped(), drawn(7, 4), torch.tensor([5, 1])
    network = nn.ModuleDict({"swapped": module})
    expected = module(x, chosen)

    def run(multiply: Multiply) -> None:
        with products_by(network, multiply):
            for found, own in zip(module(x, chosen), expected, strict=True):
                torch.testing.assert_close(found, own, rtol=0, atol=1e-5)

    assert names_of(run) == [
        ("swapped.left", (1, 7, 4), (1, 4, 3)),
        ("swapped.table", (2, 1, 4), (2, 4, 5)),
        ("swapped.table", (1, 7, 4), (1, 4, 5)),
        ("swapped.table.2", (1, 7, 4), (1, 4, 5)),
    ]


def test_what_is_not_understood_is_named_with_its_share() -> None:
    """Products that torch's own counter knows have their multiply-accumulates, any other operation one for each number."""
    a, b = drawn(16, 32).to(torch.float8_e4m3fn), drawn(16, 32).to(torch.float8_e4m3fn)
    w, recorder = drawn(16, 3), Recorder(nn.Module())
    with recorder.watching():
        y = torch._scaled_mm(a, b.T, torch.tensor(1.0), torch.tensor(1.0), out_dtype=torch.float32)
        recorder.sources([torch.erfinv(y) @ w])
    assert recorder.unknown == {"_scaled_mm": 16 * 32 * 16, "erfinv": 16 * 16}
    products = [operator for operator in recorder.operators() if isinstance(operator, Product)]
    assert [product.macs for product in products] == [16 * 16 * 3]

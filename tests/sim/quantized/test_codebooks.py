"""Code books against Lloyd's two conditions, checked on the numbers themselves."""

import numpy as np
import pytest

from sim.quantized import SCHEMES, quantize
from sim.quantized.codebooks import fit_codebook


def test_few_numbers_are_kept() -> None:
    x = np.float32([[-1, -1, 0.5, 0.25], [0.25, 1, 1, 1]])
    assert fit_codebook([x[:1], x[1:]], 8).tolist() == [-1, 0.25, 0.5, 1, 1, 1, 1, 1]


def test_two_clusters_by_hand() -> None:
    """Quantiles -0.5 and 0.5 of six numbers; their cells' means are -0.5 and 0.5."""
    x = np.array([-0.75, -0.5, -0.25, 0.25, 0.5, 0.75])
    assert fit_codebook([x], 2).tolist() == [-0.5, 0.5]


@pytest.mark.parametrize("size", [2, 16, 256])
@pytest.mark.parametrize("kind", ["normal", "uniform", "mostly zero"])
def test_entries_are_the_means_of_their_cells(rng: np.random.Generator, size: int, kind: str) -> None:
    """To within fp16 (2**-12 below 1), as cells may be off by a bin."""
    x = np.clip(rng.normal(size=50_000) / 4, -1, 1) if kind == "normal" else rng.uniform(-1, 1, size=50_000)
    if kind == "mostly zero":
        x[:40_000] = 0
    table = fit_codebook(np.split(x, 10), size).astype(np.float64)
    assert (np.diff(table) >= 0).all()
    cells = np.searchsorted((table[1:] + table[:-1]) / 2, x)
    for entry, number in enumerate(table):
        inside = x[cells == entry]
        assert not len(inside) or abs(inside.mean() - number) <= 2.0**-10


def test_a_fitted_book_beats_the_one_for_normal_weights_on_other_ones(rng: np.random.Generator) -> None:
    x = rng.uniform(-1, 1, size=(512, 16)).astype(np.float32)
    errors = {name: np.square(quantize(x, SCHEMES[name], 0).dequantize() - x).mean() for name in ("kmeans4_channel", "nf4_g64")}
    assert errors["kmeans4_channel"] < errors["nf4_g64"]
    assert errors["kmeans4_channel"] <= 1.02 * (2 / 16) ** 2 / 12, "sixteen equal steps are best for uniform numbers"


def test_the_book_belongs_to_the_tensor(rng: np.random.Generator) -> None:
    q = quantize(rng.normal(size=(64, 4)), SCHEMES["kmeans4_channel"], 0)
    assert q.scheme.fitted
    assert q.format.name == "kmeans4"
    assert q.format != SCHEMES["kmeans4_channel"].format
    assert np.array_equal(q.format.reals, q.format.reals.astype(np.float16))
    assert q.bits == 64 * 4 * 4 + 4 * 16 + 16 * 16

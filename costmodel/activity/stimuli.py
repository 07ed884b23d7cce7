"""Operands that are not traced, in place of those of a product: how a PE's energy depends on what it computes."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from costmodel.activity.operands import Codes, Product
from hdl.verify.codes import codes_of, numbers_of
from sim.design import DesignPoint
from sim.formats import Format

SPARSITY = 0.75
"""Probability of a zero, beside those among the other codes."""

STEP = 0.05
"""Standard deviation of a step from number to number, as a part of all numbers in order."""

Draw = Callable[[DesignPoint, np.random.Generator, Product], Product]


def _uniform(design: DesignPoint, rng: np.random.Generator, product: Product) -> Product:
    """All codes of numbers equally probable."""
    a, w = product
    return rng.choice(codes_of(design.activation), a.shape), rng.choice(codes_of(design.weight), w.shape)


def _sparse(design: DesignPoint, rng: np.random.Generator, product: Product) -> Product:
    """The same, but most operands zero, or the number next to it."""

    def thinned(format_: Format, codes: Codes) -> Codes:
        zero = codes_of(format_)[np.abs(numbers_of(format_)).argmin()]
        return np.where(rng.random(codes.shape) < SPARSITY, zero, codes)

    a, w = _uniform(design, rng, product)
    return thinned(design.activation, a), thinned(design.weight, w)


def _correlated(design: DesignPoint, rng: np.random.Generator, product: Product) -> Product:
    """Numbers that go up and down by small steps along ``k``, of activations past a weight that stays along ``m``."""

    def walk(format_: Format, codes: Codes) -> Codes:
        order = codes_of(format_)[np.argsort(numbers_of(format_), kind="stable")]
        steps = np.round(rng.normal(0, max(1, STEP * len(order)), codes.shape)).astype(np.int64)
        places = (rng.integers(len(order), size=codes.shape[1:]) + np.cumsum(steps, axis=0)) % (2 * len(order))
        return order[np.minimum(places, 2 * len(order) - 1 - places)]

    a, w = product
    stays = design.dataflow == "weight_stationary"
    return walk(design.activation, a) if stays else walk(design.activation, a.T).T, walk(design.weight, w)


ARTIFICIAL: dict[str, Draw] = {"uniform": _uniform, "sparse": _sparse, "correlated": _correlated}


def with_artificial(
    design: DesignPoint, traced: Sequence[Product], kinds: Iterable[str] = tuple(ARTIFICIAL), seed: int = 0
) -> Mapping[str, Sequence[Product]]:
    """The ``traced`` products, and products of the same shapes of some of the :data:`ARTIFICIAL` kinds."""
    rng = np.random.default_rng(seed)
    return {"traced": traced} | {kind: [ARTIFICIAL[kind](design, rng, product) for product in traced] for kind in kinds}

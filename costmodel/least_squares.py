"""Lines through measured numbers that make the sum of squared relative errors least, and how far they reach and are off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]

NEGLIGIBLE = 1e-9
"""Of a term's size: what is no more than rounding."""


def least_squares(terms: Floats, numbers: Floats) -> Floats:
    """Coefficients ``[term]`` of ``terms[row, term]`` for ``numbers[row]``, the smallest where several lines are as good."""
    sizes = _sizes(numbers)
    found: Floats = np.linalg.lstsq(terms / sizes[:, None], numbers / sizes, rcond=None)[0]
    return found


def held_out_errors(terms: Floats, numbers: Floats, parts: ArrayLike) -> tuple[float, float]:
    """Median and worst relative error of rows that the line was not fitted to, those of each of ``parts[row]`` in turn.

    The residuals ``r`` of all rows tell it: without a part they are ``(1 - H)^-1 r`` there, ``H`` being the part of the hat
    matrix (Cook and Weisberg, Residuals and influence in regression, 1982). Rows that determine a coefficient alone are left
    out: a line without them does not reach them (:class:`Hull`).
    """
    sizes = _sizes(numbers)
    basis, _, _ = _span(terms / sizes[:, None])
    hat = basis @ basis.T
    residuals = (np.eye(len(hat)) - hat) @ (numbers / sizes)
    errors = []
    for part in np.unique(parts):
        (rows,) = np.nonzero(np.asarray(parts) == part)
        rest = np.eye(len(rows)) - hat[np.ix_(rows, rows)]
        if np.linalg.eigvalsh(rest)[0] > NEGLIGIBLE:
            errors.append(np.abs(np.linalg.solve(rest, residuals[rows])))
    found = np.concatenate(errors) if errors else np.array([np.inf])
    return float(np.median(found)), float(found.max())


@dataclass(frozen=True)
class Hull:
    """Where the terms of rows are: a line through them says nothing of what is further from them than they are themselves.

    That is the hull of regressors (Montgomery, Peck, Vining, Introduction to linear regression analysis, chapter 3, hidden
    extrapolation): the leverage of what is asked for is at most the greatest of the rows.
    """

    scale: Floats
    basis: Floats
    sizes: Floats
    most: float

    @classmethod
    def of(cls, terms: Floats) -> "Hull":
        """That of ``terms[row, term]``, the constant among them."""
        scale = np.maximum(np.abs(terms).max(axis=0), 1.0)
        rows, sizes, basis = _span(terms / scale)
        return cls(scale, basis, sizes, float((rows**2).sum(axis=1).max()) * (1 + NEGLIGIBLE))

    def leverage(self, terms: ArrayLike) -> float:
        """Of what has these terms; infinite where they are no combination of those of rows."""
        scaled = np.asarray(terms) / self.scale
        along = self.basis @ scaled
        if np.abs(scaled - along @ self.basis).max() > NEGLIGIBLE * max(1.0, np.abs(scaled).max()):
            return float("inf")
        return float(((along / self.sizes) ** 2).sum())


def _span(terms: Floats) -> tuple[Floats, Floats, Floats]:
    """Singular vectors ``[row, rank]``, values ``[rank]`` and vectors ``[rank, term]`` of what is not negligible."""
    rows, sizes, basis = np.linalg.svd(terms, full_matrices=False)
    rank = int((sizes > NEGLIGIBLE * sizes[0]).sum())
    return rows[:, :rank], sizes[:rank], basis[:rank]


def _sizes(numbers: Floats) -> Floats:
    """What errors are relative to: the numbers, and of those that are 0 the least that is not."""
    there = numbers[numbers > 0]
    return np.where(numbers > 0, numbers, there.min() if len(there) else 1.0)

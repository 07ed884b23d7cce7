"""Lines through measured numbers that make the sum of squared relative errors least, and how far they reach and are off."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]

NEGLIGIBLE = 1e-9
"""Of a term's size: what is no more than rounding."""


def least_squares(terms: Floats, numbers: Floats) -> Floats:
    """Coefficients ``[term]`` of ``terms[row, term]`` for ``numbers[row]``, the smallest where several lines are as good."""
    sizes, scale = _sizes(numbers), _scale(terms)
    found: Floats = np.linalg.lstsq(terms / scale / sizes[:, None], numbers / sizes, rcond=NEGLIGIBLE)[0] / scale
    return found


def held_out_errors(terms: Floats, numbers: Floats, parts: Sequence[Hashable]) -> tuple[float, float]:
    """Median and worst relative error of rows that the line was not fitted to, those of each of ``parts[row]`` in turn.

    Counted are rows inside of the :class:`Hull` of the others, about which a line through these may be asked; all that the
    others determine where there are none such, and rows one by one where no part can be missed. The residuals ``r`` of all
    rows tell them: without a part they are ``(1 - H)^-1 r`` there, ``H`` being its part of the hat matrix (Cook and Weisberg,
    Residuals and influence in regression, 1982).
    """
    sizes, scale = _sizes(numbers), _scale(terms)
    hat = _hat(terms / scale / sizes[:, None])
    residuals = (np.eye(len(hat)) - hat) @ (numbers / sizes)
    leverage = _hat(terms / scale)
    inside, determined = [], []
    for part in dict.fromkeys(parts):
        rows = np.array([other == part for other in parts])
        if np.linalg.eigvalsh(leverage[np.ix_(rows, rows)])[-1] > 1 - NEGLIGIBLE:
            continue
        errors = np.abs(np.linalg.solve(np.eye(rows.sum()) - hat[np.ix_(rows, rows)], residuals[rows]))
        determined.append(errors)
        inside.append(errors[_are_inside(leverage, rows)])
    for errors_of_parts in (inside, determined):
        found = np.concatenate([*errors_of_parts, []])
        if len(found):
            return float(np.median(found)), float(found.max())
    if len(set(parts)) < len(numbers):
        return held_out_errors(terms, numbers, range(len(numbers)))
    return np.inf, np.inf


def _are_inside(leverage: Floats, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of some rows are in the hull of the others, from the hat matrix of all."""
    own, others = leverage[np.ix_(rows, rows)], leverage[np.ix_(~rows, rows)]
    without = np.linalg.inv(np.eye(rows.sum()) - own)
    most = (np.diag(leverage)[~rows] + ((others @ without) * others).sum(axis=1)).max()
    inside: NDArray[np.bool_] = np.diag(own @ without) <= most * (1 + NEGLIGIBLE)
    return inside


def _hat(terms: Floats) -> Floats:
    """The matrix that projects on the span of terms."""
    rows, _, _ = _span(terms)
    hat: Floats = rows @ rows.T
    return hat


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
        scale = _scale(terms)
        rows, sizes, basis = _span(terms / scale)
        return cls(scale, basis, sizes, float((rows**2).sum(axis=1).max()) * (1 + NEGLIGIBLE))

    def leverage(self, terms: ArrayLike) -> float:
        """Of what has these terms; infinite where they are no combination of those of rows."""
        scaled = np.asarray(terms) / self.scale
        along = self.basis @ scaled
        if np.abs(scaled - along @ self.basis).max() > NEGLIGIBLE * max(1.0, np.abs(scaled).max()):
            return float("inf")
        return float(((along / self.sizes) ** 2).sum())


def _scale(terms: Floats) -> Floats:
    """The greatest of each term, 1 where all are 0."""
    greatest = np.abs(terms).max(axis=0)
    return np.where(greatest > 0, greatest, 1.0)


def _span(terms: Floats) -> tuple[Floats, Floats, Floats]:
    """Singular vectors ``[row, rank]``, values ``[rank]`` and vectors ``[rank, term]`` of what is not negligible."""
    rows, sizes, basis = np.linalg.svd(terms, full_matrices=False)
    rank = int((sizes > NEGLIGIBLE * sizes[0]).sum())
    return rows[:, :rank], sizes[:rank], basis[:rank]


def _sizes(numbers: Floats) -> Floats:
    """What errors are relative to: the numbers, and of those that are 0 the least that is not."""
    there = numbers[numbers > 0]
    return np.where(numbers > 0, numbers, there.min() if len(there) else 1.0)

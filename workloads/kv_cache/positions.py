"""Where the queries of a pass stand among the tokens of its cache, and which of those they see."""

import numpy as np
from numpy.typing import NDArray


def positions(rows: int, tokens: int, new: int) -> NDArray[np.intp]:
    """The position of each row's query ``[rows]``; the queries that share a head of keys are stacked."""
    return tokens - new + np.arange(rows) % new


def seen(rows: int, tokens: int, new: int) -> NDArray[np.bool_]:
    """Which tokens each row's query sees ``[rows, tokens]``: those up to its own; the scores of others are masked."""
    return np.arange(tokens) <= positions(rows, tokens, new)[:, None]

"""What calibration activations say of the error of a layer's output.

With weights ``W [k, n]`` and quantized ones ``W + E``, the mean squared error of output ``n`` over the tokens ``X [m, k]`` is
``E[:, n]^T H E[:, n]`` with the second moment ``H = X^T X / m``: half the Hessian of Optimal Brain Quantization (Frantar and
Alistarh, "Optimal Brain Compression", NeurIPS 2022).
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.quantized import OPERANDS

Reals = NDArray[np.floating]
Double = NDArray[np.float64]


def check_operands(weights: Reals, activations: Reals) -> None:
    """Raise ``InputError`` unless weights ``[k, n]`` and activations ``[m, k]`` are finite and make a product."""
    for axis, operand in zip(OPERANDS, (weights, activations), strict=True):
        if operand.ndim != 2 or 0 in operand.shape:
            raise InputError(f"{OPERANDS[axis]} of a recipe have two axes of at least 1, not shape {operand.shape}")
        if not np.isfinite(operand).all():
            raise InputError(f"{OPERANDS[axis]} of a recipe are finite numbers, not {operand[~np.isfinite(operand)][0]}")
    if activations.shape[1] != weights.shape[0]:
        raise InputError(
            f"calibration activations have the {weights.shape[0]} inputs of their weights, not {activations.shape[1]}"
        )


def second_moment(activations: Reals) -> Double:
    """``X^T X / m`` of activations ``[m, k]``, as ``[k, k]``."""
    exact = activations.astype(np.float64)
    moment: Double = exact.T @ exact / len(exact)
    return moment


def output_errors(moment: Double, difference: Reals) -> Double:
    """The mean squared error ``[n]`` of each output, for a difference ``[k, n]`` of weights."""
    errors: Double = np.einsum("kn,kn->n", difference, moment @ difference)
    return errors

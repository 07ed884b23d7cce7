"""Quantized operands: one structure for codes, trees of scales and zero points, and how real numbers become them."""

from sim.quantized.operands import (
    SCALINGS,
    activation_scheme,
    quantize_activations,
    quantize_weights,
    storage_bits,
    weight_scheme,
)
from sim.quantized.packing import pack_codes, read_tensor, unpack_codes, write_tensor
from sim.quantized.quantize import codes_of, quantize
from sim.quantized.registry import SCHEMES
from sim.quantized.scheme import OPERANDS, Axis, ScaleLevel, Scheme
from sim.quantized.tensor import QuantizedTensor

__all__ = [
    "OPERANDS",
    "SCALINGS",
    "SCHEMES",
    "Axis",
    "QuantizedTensor",
    "ScaleLevel",
    "Scheme",
    "activation_scheme",
    "codes_of",
    "pack_codes",
    "quantize",
    "quantize_activations",
    "quantize_weights",
    "read_tensor",
    "storage_bits",
    "unpack_codes",
    "weight_scheme",
    "write_tensor",
]

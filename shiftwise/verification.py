"""``verify``: the design's hardware against the model, on all operand pairs and on traced operands."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdl.verdict import ArrayVerdict, PEVerdict
from hdl.verify_array import verify_array
from hdl.verify_pe import verify_pe
from shiftwise.generation import hardware_design
from sim.design import DesignPoint
from sim.files import output_folder, write_whole
from sim.kernels.product import matrix_product
from sim.quantized import quantize
from workloads.checkpoint import load_model
from workloads.embedded import HELD_OUT_TEXT
from workloads.tracing import TracedProduct, trace

VERDICT = "verification.json"

ARRAY = 4
"""Rows and columns of the array that is simulated."""

SEQUENCE = 80
"""Tokens that are traced: the reduction of the attention's values is then one group of 64 and a short one."""

TILE_ROWS, TILE_COLUMNS = 2, 3
"""Tiles cut from each traced product: several, so that one begins while another's results are still under way."""


@dataclass(frozen=True)
class Verification:
    """What was found equal in every bit and every cycle: the PE's pairs and chains, and traced products by name."""

    pe: PEVerdict
    products: Mapping[str, ArrayVerdict]

    def write(self, folder: str | Path) -> Path:
        """Write ``verification.json``; returns its path."""
        path = output_folder(folder) / VERDICT
        write_whole(path, json.dumps(dataclasses.asdict(self), indent=2) + "\n")
        return path


def verify(
    design: str | DesignPoint = "mixpe-w4a8",
    model: str = "tiny-stdlib",
    build_dir: str | Path = "build/verify",
    announce: Callable[[str], None] = print,
) -> Verification:
    """Build the generated Verilog with Verilator and compare it with the model.

    Every pair of operand codes goes through the PE. Then, through an array of 4x4 such PEs, tiles of a linear layer,
    of attention scores and of attention values, with operands traced from ``model``. Raises
    :class:`hdl.verdict.VerificationError` at the first difference, ``InputError`` for input that cannot be used.
    """
    point = hardware_design(design)
    language_model = load_model(model)
    small = dataclasses.replace(point, rows=ARRAY, columns=ARRAY)
    folder = output_folder(build_dir)
    pairs = 1 << (point.weight.bits + point.activation.bits)
    announce(f"PE: {pairs} operand pairs and chains of groups")
    pe = verify_pe(point, folder / "pe")
    verdicts = {}
    tokens = language_model.encode(HELD_OUT_TEXT.read_bytes())
    traced = trace(language_model, tokens, "prefill", 1, min(SEQUENCE, language_model.context))
    for product in _one_of_each_kind(traced):
        announce(f"{ARRAY}x{ARRAY} array: tiles of {product.name}")
        verdicts[product.name] = _verify_tiles(small, product, folder / "array")
    return Verification(pe, verdicts)


def _one_of_each_kind(traced: tuple[TracedProduct, ...]) -> list[TracedProduct]:
    return list({product.kind: product for product in reversed(traced)}.values())


def _verify_tiles(design: DesignPoint, product: TracedProduct, build_dir: Path) -> ArrayVerdict:
    """The first rows and columns of a product, one of each short of whole tiles, through the array."""
    a = product.activations[0, : TILE_ROWS * design.rows - 1]
    w = np.ascontiguousarray(product.weights[0, :, : TILE_COLUMNS * design.columns - 1])
    activations = quantize(a, design.activation_scheme, axis=1)
    weights = quantize(w, design.weight_scheme, axis=0)
    return verify_array(
        design,
        activations.codes,
        weights.codes,
        weights.scale,
        weights.zero_point,
        activations.scale,
        matrix_product(activations, weights),
        build_dir,
    )

"""``verify``: the design's hardware against the model, on all operand pairs, random products and traced operands."""

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from hdl.tools.verilator import environment
from hdl.verify.accelerator import verify_accelerator
from hdl.verify.array import verify_array
from hdl.verify.example import (
    Operands,
    example_product,
    example_shape,
    padded_example,
    padded_product,
    product_of,
    with_least_buffers,
)
from hdl.verify.pe import verify_pe
from hdl.verify.verdict import ArrayVerdict, PEVerdict, VerificationError
from shiftwise.generation import hardware_design
from shiftwise.verified import BUILD, JUNIT, SUMMARY, VERDICT, WAVE, Verification, check_own
from sim.accelerator.blocks import is_accelerated
from sim.design import DesignPoint
from sim.files import output_folder, remove
from workloads.checkpoint import load_model
from workloads.embedded import HELD_OUT_TEXT
from workloads.model_trace import TracedProduct
from workloads.tracing import trace

ARRAY = 4
"""Rows and columns of the array that is simulated."""

GROUP_SIZES = (1, 32)
"""Of random products, besides the design's own; the last group of each is a part of one."""

SEQUENCE = 80
"""Tokens that are traced: the reduction of the attention's values is then one group of 64 and a short one."""

TILE_ROWS, TILE_COLUMNS = 2, 3
"""Tiles cut from each traced product: several, so that one begins while another's results are still under way."""

Check = tuple[str, Callable[[], PEVerdict | ArrayVerdict]]


def verify(
    design: str | DesignPoint = "mixpe-w4a8",
    model: str = "tiny-stdlib",
    out: str | Path = "build/verify",
    announce: Callable[[str], None] = print,
) -> Verification:
    """Build the generated Verilog with Verilator and compare it with the model.

    Every pair of operand codes goes through the PE, up to 2**20 of them. Then, with 4x4 such PEs, random products in groups
    of 1, 32 and the design's own go through an array, and through a whole accelerator with buffers so small that a product
    takes several blocks, whose streams never wait, or come and go; last tiles of a linear layer, of attention scores and of
    attention values, with operands traced from ``model``. Writes what :meth:`Verification.write` does into ``out``, builds
    included.

    Raises :class:`hdl.verify.verdict.VerificationError` at the first difference, of which a waveform is kept, and
    ``InputError`` for input that cannot be used, a folder that holds anything else among it.
    """
    point = hardware_design(design)
    environment()  # says what is missing before anything is written
    language_model = load_model(model)
    tokens = language_model.encode(HELD_OUT_TEXT.read_bytes())
    check_own(out)
    folder = output_folder(out)
    for name in (VERDICT, JUNIT, SUMMARY, WAVE):
        remove(folder / name)
    verification = Verification(point.name)
    traced = partial(trace, language_model, tokens, "prefill", 1, min(SEQUENCE, language_model.context))
    for name, check in _checks(point, traced, folder / BUILD):
        announce(name)
        began = time.perf_counter()
        try:
            verification.found[name] = check()
        except VerificationError as error:
            verification.seconds[name] = time.perf_counter() - began
            message = str(error)
            if error.keep_wave:
                announce("a waveform around the first wrong cycle")
                message += f"; waveform {shutil.copyfile(error.keep_wave(), folder / WAVE)}"
            verification.failure = name, message
            verification.write(folder)
            raise VerificationError(message) from None
        verification.seconds[name] = time.perf_counter() - began
    verification.write(folder)
    return verification


def _checks(point: DesignPoint, traced: Callable[[], tuple[TracedProduct, ...]], build_dir: Path) -> Iterator[Check]:
    """What is compared, by name; products are traced when their turn comes."""
    small = dataclasses.replace(point, rows=ARRAY, columns=ARRAY)
    yield "PE: pairs of operands, chains of groups", partial(verify_pe, point, build_dir)
    for size in sorted({*GROUP_SIZES, point.group_size}):
        grouped = dataclasses.replace(small, group_size=size)
        name = f"{ARRAY}x{ARRAY} array: random product in groups of {size}"
        yield name, partial(_verify_operands, grouped, example_product(grouped), build_dir)
        if not is_accelerated(grouped):
            continue
        name = f"{ARRAY}x{ARRAY} accelerator: random product in groups of {size}"
        grouped = with_least_buffers(grouped)
        shape, operands = example_shape(grouped), padded_example(grouped, example_shape(grouped))
        for patient, how in ((True, "streams that never wait"), (False, "back pressure and a reset")):
            yield f"{name}, {how}", partial(verify_accelerator, grouped, shape, *operands, build_dir, patient=patient)
    for product in {product.kind: product for product in reversed(traced())}.values():
        what = "accelerator" if is_accelerated(small) else "array"
        yield f"{ARRAY}x{ARRAY} {what}: tiles of {product.name}", partial(_verify_tiles, small, product, build_dir)


def _verify_tiles(design: DesignPoint, product: TracedProduct, build_dir: Path) -> ArrayVerdict:
    """The first rows and columns of a product, one of each short of whole tiles, through the accelerator, or the array."""
    a = product.activations[0, : TILE_ROWS * design.rows - 1]
    w = np.ascontiguousarray(product.weights[0, :, : TILE_COLUMNS * design.columns - 1])
    if not is_accelerated(design):
        return _verify_operands(design, product_of(design, a, w), build_dir)
    least = with_least_buffers(design)
    return verify_accelerator(least, (len(a), *w.shape), *padded_product(least, a, w), build_dir)


def _verify_operands(design: DesignPoint, operands: Operands, build_dir: Path) -> ArrayVerdict:
    return verify_array(design, *operands, build_dir)

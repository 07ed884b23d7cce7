"""Accuracy of a model on an overlay: the text predicted by all of its arithmetic, special functions and fp16 among it."""

from functools import partial
from pathlib import Path
from typing import Any

from shiftwise.accuracy import Tell, calibrated, measured_accuracy
from shiftwise.overlay.request import OverlayRequest
from sim.overlay.decoder import Decoder
from workloads.checkpoint import LanguageModel, load_model
from workloads.overlay.forward import overlay_logits
from workloads.overlay.hardware import PRODUCTS, OverlayHardware
from workloads.overlay.recipes import overlay_recipe
from workloads.recipes import WEIGHTS_ALONE

NOT_HELD = "not measured: a network on an overlay holds all of its weights, and one of this size reads them from files"


def overlay_accuracy(asked: OverlayRequest, decoder: Decoder, folder: Path | None, tell: Tell) -> dict[str, Any]:
    """``accuracy`` as ``summary.json`` has it, ``None`` without weights, and ``accuracy_not_measured``: why not, with them.

    ``kv_cache`` of a design that multiplies fp16 numbers is ``fp16``, as those are what it stores.
    A decode's is that of all tokens at once, whose bits a decode step finds, too (:mod:`workloads.overlay.forward`).
    """
    if asked.text is None:
        return {"accuracy": None, "accuracy_not_measured": None}
    model = load_model(asked.model)
    if not model.is_held:
        return {"accuracy": None, "accuracy_not_measured": NOT_HELD}
    hardware = _quantized(asked, decoder, model, asked.text[asked.accuracy_bytes :], tell)
    logits = overlay_logits(model.network, hardware)
    found = measured_accuracy(asked, model, hardware, decoder.head_dim, folder, tell, logits)
    figures = found.figures if asked.design.quantized else found.figures | {"kv_cache": "fp16"}
    return {"accuracy": figures, "accuracy_not_measured": None}


def _quantized(asked: OverlayRequest, decoder: Decoder, model: LanguageModel, behind: bytes, tell: Tell) -> OverlayHardware:
    """The model on the overlay; without a recipe what a checkpoint stores, else rounded to nearest."""
    recipe = overlay_recipe(asked.design, asked.recipe or "nearest")
    hardware = partial(OverlayHardware, asked.design)
    if asked.recipe is None:
        return hardware(stored=model.layers, recipe=recipe)
    if asked.recipe in WEIGHTS_ALONE:
        return hardware(recipe=recipe)
    linear = sum(name.endswith(tuple(PRODUCTS)) for name, _ in model.network.named_modules())
    return calibrated(hardware(), model, behind, recipe, linear + 2 * decoder.layers, tell)

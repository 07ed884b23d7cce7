"""The accuracy of a simulation: a recipe's layers, and the text predicted by the hardware window by window."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from shiftwise.judged import recalled, remembered
from shiftwise.overlay.request import OverlayRequest
from shiftwise.request import Request
from shiftwise.workload import Workload
from sim.kernels.overflow import GroupSums
from workloads.accuracy import Judged, Logits, accuracy, all_sums, calibration_tokens, judge
from workloads.checkpoint import LanguageModel
from workloads.hardware import Hardware
from workloads.kv_cache import kv_bits
from workloads.recipes import RECIPES, WEIGHTS_ALONE
from workloads.recipes.layer import Recipe

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""

Calibrated = TypeVar("Calibrated", bound=Hardware)

CALIBRATION_WINDOWS = 16
"""Sequences that a recipe is calibrated on, each as long as a window: 8192 tokens."""


@dataclass(frozen=True)
class Accuracy:
    """``figures`` as in ``summary.json``; ``sums`` are the group sums of each product, and how many overflowed."""

    figures: dict[str, Any]
    sums: dict[str, GroupSums]


def quantized_model(asked: Request, workload: Workload, model: LanguageModel, tell: Tell) -> Hardware:
    """The model on the design, its layers as the recipe leaves them.

    Raises ``InputError`` for a recipe whose weights the design does not take.
    """
    hardware = partial(Hardware, asked.design, asked.kv_cache, holds=model.is_held, allocation=asked.allocation)
    if asked.recipe is None:
        return hardware(stored=model.layers)
    recipe = RECIPES[asked.recipe]
    if asked.recipe in WEIGHTS_ALONE:
        return hardware(recipe=recipe)
    return calibrated(hardware(), model, workload.calibration, recipe, len(workload.traced), tell)


def calibrated(
    hardware: Calibrated, model: LanguageModel, text: bytes, recipe: Recipe, products: int, tell: Tell
) -> Calibrated:
    """The model on the hardware, its layers by a recipe that is calibrated on a text; ``products`` are in a pass."""
    tokens = calibration_tokens(model, text, CALIBRATION_WINDOWS)
    hardware.calibrate(model.network, tokens, recipe, lambda done: tell("calibrate", done, products))
    return hardware


def measured_accuracy(
    asked: Request | OverlayRequest,
    model: LanguageModel,
    hardware: Hardware,
    head_size: int,
    folder: Path | None,
    tell: Tell,
    logits: Logits | None = None,
) -> Accuracy:
    """Of the text that is judged; windows are remembered in ``folder``, and those found there are not judged again.

    ``head_size`` are the numbers of a head's key. ``logits`` are those of all tokens at once, of hardware whose decode is
    known to have the same (default: those of an array, in the phase that is asked for).
    """
    assert asked.text is not None, "of a model with weights"
    text = asked.text[: asked.accuracy_bytes]
    tokens = model.encode(text)
    known = recalled(folder, asked, model) if folder else ()
    windows = judge(model, tokens, hardware, "prefill" if logits else asked.phase, known, logits)
    if folder:
        windows = remembered(folder, asked, model, windows)
    judged = list(_told(windows, len(tokens) - 1, tell))
    sums = all_sums(judged)
    figures = accuracy(judged, len(text), model.predicted_bytes(text)) | {
        "recipe": asked.recipe or ("as stored" if model.layers else "nearest"),
        "uncalibrated": hardware.uncalibrated(sums),
        "kv_cache": asked.kv_cache,
        "kv_bits": kv_bits(hardware.design, asked.kv_cache, head_size),
        "group_sums": sum(counted.count for counted in sums.values()),
        "overflows": sum(counted.overflows for counted in sums.values()),
    }
    return Accuracy(figures, sums)


def _told(windows: Iterator[Judged], tokens: int, tell: Tell) -> Iterator[Judged]:
    for window in windows:
        tell("tokens predicted", window.start + window.tokens, tokens)
        yield window

"""The accuracy of a simulation: a recipe's layers, and the text predicted by the hardware window by window."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from shiftwise.judged import recalled, remembered
from shiftwise.request import Request
from shiftwise.workload import Workload
from sim.kernels.overflow import GroupSums
from workloads.accuracy import Judged, accuracy, all_sums, calibration_tokens, judge
from workloads.checkpoint import LanguageModel
from workloads.hardware import Hardware
from workloads.kv_cache import kv_bits
from workloads.recipes import RECIPES, WEIGHTS_ALONE

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""

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
    calibrated = hardware()
    products = len(workload.traced)
    calibrated.calibrate(
        model.network,
        calibration_tokens(model, workload.calibration, CALIBRATION_WINDOWS),
        recipe,
        lambda done: tell("calibrate", done, products),
    )
    return calibrated


def measured_accuracy(asked: Request, workload: Workload, hardware: Hardware, folder: Path | None, tell: Tell) -> Accuracy:
    """Of the workload's text; windows are remembered in ``folder``, and those found there are not judged again."""
    model = workload.language_model
    assert model is not None
    tokens = model.encode(workload.text)
    windows = judge(model, tokens, hardware, asked.phase, recalled(folder, asked, model) if folder else ())
    if folder:
        windows = remembered(folder, asked, model, windows)
    judged = list(_told(windows, len(tokens) - 1, tell))
    sums = all_sums(judged)
    figures = accuracy(judged, len(workload.text), model.predicted_bytes(workload.text)) | {
        "recipe": asked.recipe or ("as stored" if model.layers else "nearest"),
        "uncalibrated": hardware.uncalibrated(sums),
        "kv_cache": asked.kv_cache,
        "kv_bits": kv_bits(asked.design, asked.kv_cache, _head_size(workload)),
        "group_sums": sum(counted.count for counted in sums.values()),
        "overflows": sum(counted.overflows for counted in sums.values()),
    }
    return Accuracy(figures, sums)


def _told(windows: Iterator[Judged], tokens: int, tell: Tell) -> Iterator[Judged]:
    for window in windows:
        tell("tokens predicted", window.start + window.tokens, tokens)
        yield window


def _head_size(workload: Workload) -> int:
    """Numbers of a head's key, of models with attention."""
    return next((product.shape.k for product in workload.traced if product.kind == "scores"), 1)

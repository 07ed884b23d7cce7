"""Accuracy of a point: bits per byte of a text that the hardware predicts, weights quantized by one of several recipes."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from shiftwise.digests import digest_of, model_digest
from sim.design import DesignPoint
from sim.errors import InputError

if TYPE_CHECKING:  # what they import takes seconds, and nothing is found where all is known
    from torch import Tensor

    from workloads.allocation.allocation import Allocation
    from workloads.checkpoint import LanguageModel

CALIBRATION_WINDOWS = 4
"""Sequences of 512 tokens behind those that are judged."""

RECIPES = ("nearest", "rotation_gptq")
"""Of which the best is taken by default: without calibration, and what loses least in most columns of docs/recipes.md."""

ARITHMETIC = ("pe", "weight_format", "activation_format", "kv_format", "accumulator", "group_size", "scaling", "dataflow")
"""Fields of a design that decide a bit of a result."""


@dataclass(frozen=True)
class Trial:
    """One accuracy to find, of a ``design`` with a ``recipe``, or of the float model where these are ``None``.

    Weights are in the design's format, or in those of an ``allocation``.
    """

    model: str
    text: str
    judged_bytes: int
    kv_cache: str
    recipe: str | None = None
    design: DesignPoint | None = None
    allocation: "Allocation | None" = None

    @property
    def key(self) -> str:
        """All that the result depends on: the program's text, files, and of the design its arithmetic."""
        design = None if self.design is None else tuple(getattr(self.design, name) for name in ARITHMETIC)
        text = hashlib.sha256(Path(self.text).read_bytes()).hexdigest()
        asked = (text, self.judged_bytes, CALIBRATION_WINDOWS, self.kv_cache, self.recipe, design, self.allocation)
        return digest_of("accuracy", model_digest(self.model), *asked)


def bits_per_byte_of(trial: Trial) -> float | None:
    """What the trial finds; ``None`` where the recipe does not go with the design's formats. A function for workers."""
    from workloads.accuracy import bits_per_byte, float_logits, prefill_logits
    from workloads.hardware import Hardware
    from workloads.recipes import RECIPES as BY_NAME
    from workloads.recipes import WEIGHTS_ALONE

    model, text = _model(trial.model), Path(trial.text).read_bytes()
    judged = text[: trial.judged_bytes]
    if trial.design is None or trial.recipe is None:
        return bits_per_byte(model, judged, float_logits(model.network))
    recipe = BY_NAME[trial.recipe]
    on_design = partial(Hardware, trial.design, trial.kv_cache, holds=model.is_held, allocation=trial.allocation)
    try:
        if trial.recipe in WEIGHTS_ALONE:
            hardware = on_design(recipe=recipe)
        else:
            hardware = on_design()
            hardware.calibrate(model.network, _calibration(trial.model, trial.text, trial.judged_bytes), recipe, lambda _: None)
    except InputError:
        return None
    return bits_per_byte(model, judged, prefill_logits(model.network, hardware))


@lru_cache(maxsize=1)
def _model(name: str) -> "LanguageModel":
    from workloads.checkpoint import load_model

    return load_model(name)


@lru_cache(maxsize=1)
def _calibration(model: str, text: str, judged_bytes: int) -> "Tensor":
    from workloads.accuracy import calibration_tokens

    return calibration_tokens(_model(model), Path(text).read_bytes()[judged_bytes:], CALIBRATION_WINDOWS)

"""What ``simulate`` is asked, checked as far as that goes without torch, which takes seconds to load."""

from dataclasses import dataclass
from pathlib import Path

from costmodel.energy import energy_per_action
from sim.design import DesignPoint, load_design, of_file
from sim.errors import InputError, choose
from workloads.allocation.allocation import Allocation, load_allocation
from workloads.embedded import HELD_OUT_TEXT, MODELS, has_weights
from workloads.kv_cache import KV_RECIPES
from workloads.passes import Phase, check_pass
from workloads.recipes import RECIPES, WEIGHTS_ALONE
from workloads.topology import read_topology
from workloads.zoo import CONFIGS, config_path

ACCURACY_BYTES = {"prefill": 8192, "decode": 512}
"""By default; a decode step takes about as long as the prefill of a window, and finds the same bits."""

SHORTEST_CALIBRATION = 512  # [byte]
KV_CACHE = "per_token"


@dataclass(frozen=True)
class Request:
    """One pass to simulate.

    ``named`` is the design as it was given, for what is found wrong with it later. ``text`` is what weights are traced on
    and predict, ``accuracy_bytes`` how much of it decides the accuracy; shapes alone have no text. ``recipe`` is that of the
    weights, ``None`` for the codes that a checkpoint has, or else rounding to nearest; ``allocation`` says in which formats
    they are, where that is not the design's own.
    """

    design: DesignPoint
    named: str | DesignPoint
    model: str
    phase: Phase
    batch: int
    sequence: int | None
    text: bytes | None
    accuracy_bytes: int
    recipe: str | None
    kv_cache: str
    allocation: Allocation | None = None

    @property
    def is_topology(self) -> bool:
        return _is_topology(self.model)


def checked_request(
    design: str | DesignPoint,
    model: str,
    phase: Phase,
    batch: int,
    sequence: int | None,
    text: str | Path | None,
    accuracy_bytes: int | None,
    recipe: str | None,
    kv_cache: str | None,
    allocation: str | Path | Allocation | None = None,
) -> Request:
    """The arguments of :func:`shiftwise.simulate`. Raises ``InputError`` for those that cannot be used.

    What only the model itself can say, such as the context that it allows, is left to :mod:`shiftwise.workload`.
    """
    point = load_design(design)
    with of_file(design):
        energy_per_action(point, point.technology)  # refuses what the technology cannot cost
    check_pass(phase, batch, sequence)
    if not has_accuracy(model):
        _check_shapes(model, phase, batch, sequence)
        _demand_weights(model, kv_cache=kv_cache)
    elif kv_cache is not None:
        choose("KV recipe", kv_cache, KV_RECIPES)
    content = checked_text(model, phase, text, accuracy_bytes, recipe)
    bytes_judged = ACCURACY_BYTES[phase] if accuracy_bytes is None else accuracy_bytes
    cache = KV_CACHE if kv_cache is None else kv_cache
    allocated = load_allocation(allocation) if isinstance(allocation, str | Path) else allocation
    if allocated is not None and recipe is None:
        recipe = "nearest"  # a checkpoint's own codes have a format already
    return Request(point, design, model, phase, batch, sequence, content, bytes_judged, recipe, cache, allocated)


def checked_text(
    model: str, phase: Phase, text: str | Path | None, accuracy_bytes: int | None, recipe: str | None
) -> bytes | None:
    """The text to trace and to predict, ``None`` of a model without weights.

    Raises ``InputError`` for a text, a number of bytes or a recipe that cannot be used, or that is given without weights.
    """
    if not has_accuracy(model):
        _demand_weights(model, text=text, accuracy_bytes=accuracy_bytes, recipe=recipe)
        return None
    content = read_text(text)
    if accuracy_bytes is not None and accuracy_bytes < 2:
        raise InputError(f"accuracy_bytes is at least 2, not {accuracy_bytes}")
    if recipe is not None:
        check_recipe(recipe, content, accuracy_bytes or ACCURACY_BYTES[phase])
    return content


def check_recipe(recipe: str, text: bytes, judged: int) -> None:
    """Raise ``InputError`` for a recipe that there is not, or a text with nothing left to calibrate it on."""
    choose("recipe", recipe, RECIPES)
    if recipe not in WEIGHTS_ALONE and len(text) - judged < SHORTEST_CALIBRATION:
        raise InputError(
            f"recipe {recipe!r} calibrates on the text behind the {judged} bytes that accuracy is measured on, at least "
            f"{SHORTEST_CALIBRATION} bytes, not {max(len(text) - judged, 0)}; a longer text or fewer accuracy_bytes are needed"
        )


def has_accuracy(model: str) -> bool:
    """Whether a model has weights, by which its accuracy is measured."""
    return model in MODELS or has_weights(Path(model))


def _demand_weights(model: str, **of_weights: object) -> None:
    """Refuse what is given for a model without weights and goes with weights alone."""
    for what, value in of_weights.items():
        if value is not None:
            raise InputError(f"{what} goes with a model that has weights, not with the shapes of {model!r}: {str(value)!r}")


def _is_topology(model: str) -> bool:
    return Path(model).suffix == ".csv"


def _check_shapes(model: str, phase: Phase, batch: int, sequence: int | None) -> None:
    """Refuse a model without weights that is nowhere, and a topology's sizes given twice."""
    if _is_topology(model):
        if (phase, batch, sequence) != ("prefill", 1, None):
            raise InputError(
                f"a topology has its sizes in it; phase, batch and sequence are left out, not {phase}, {batch}, {sequence}"
            )
        read_topology(model)
        return
    if model not in CONFIGS and not Path(model).exists():
        known = ", ".join([*MODELS, *CONFIGS])
        raise InputError(
            f"unknown model {model!r}; known are {known}, a folder with config.json, a GGUF file, or a topology's CSV file"
        )
    config_path(model)


def read_text(text: str | Path | None) -> bytes:
    """A text to trace and to predict, by default the held-out one; ``InputError`` for a file that has none."""
    path = HELD_OUT_TEXT if text is None else Path(text)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"text file {str(path)!r} cannot be read: {error.strerror}") from None
    if len(content) < 2:
        raise InputError(f"text file {str(path)!r} has at least 2 bytes, not {len(content)}")
    return content

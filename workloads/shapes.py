"""Models from their configuration alone: every matrix product and all vector work of one pass, with no weights.

The model of transformers itself runs on torch's meta device, so there is no list of architectures or of layers: what it
does is what is counted.
"""

from functools import lru_cache
from pathlib import Path
from threading import Lock

from sim.errors import InputError
from sim.operators import Operator, Product
from workloads import meta_network
from workloads.model_trace import ModelTrace
from workloads.passes import Phase, check_pass
from workloads.recorder import Recorder
from workloads.zoo import config_path, config_text

_ONE_AT_A_TIME = Lock()
"""Hooks, registries and initialisation are global to torch and transformers."""


def shapes(model: str, phase: Phase = "prefill", batch: int = 1, sequence: int | None = None) -> ModelTrace:
    """What a prefill of ``batch`` sequences does, or the decode step that makes each of them ``sequence`` tokens long.

    ``model`` is a name of ``workloads.zoo.CONFIGS`` or of an embedded model, a folder with ``config.json``, or such a file.
    As in generation, only the last position's logits are computed. Without a ``sequence`` it is 512, or what the model
    allows; images have the tokens of their size. A second call costs microseconds. Raises ``InputError`` for a model,
    phase, batch or sequence that cannot be run.
    """
    check_pass(phase, batch, sequence)
    path = config_path(model)
    return _shapes(str(path), config_text(path), phase, batch, sequence)


@lru_cache(maxsize=64)
def _shapes(path: str, text: str, phase: Phase, batch: int, sequence: int | None) -> ModelTrace:
    file = Path(path)
    name = file.parent.resolve().name if file.name == "config.json" else file.stem
    with _ONE_AT_A_TIME:
        model = meta_network.network(path, text)
        if phase == "decode" and not model.can_generate():
            raise InputError(f"model {name!r} makes no tokens one after the other; allowed is phase 'prefill'")
        if meta_network.takes_images(model):
            arguments = meta_network.images(model, batch)
        else:
            sequence = meta_network.checked_sequence(model, sequence)
            new = sequence if phase == "prefill" else 1
            arguments = meta_network.tokens(model, batch, new, sequence - new)
        recorder = Recorder(model)
        with recorder.watching():
            recorder.sources(meta_network.run(path, model, arguments).values())
    operators = recorder.operators()
    if meta_network.takes_images(model):
        sequence = _tokens_of_images(name, operators, sequence)
    assert sequence is not None
    computed = batch * (sequence if phase == "prefill" else 1)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return ModelTrace(name, parameters, operators, sequence, computed, dict(recorder.unknown))


def _tokens_of_images(name: str, operators: tuple[Operator, ...], sequence: int | None) -> int:
    """How many tokens attention sees; ``InputError`` where others were asked for."""
    seen = max((operator.n for operator in operators if isinstance(operator, Product) and operator.kind == "scores"), default=1)
    if sequence not in (None, seen):
        raise InputError(f"sequence of model {name!r} is the {seen} tokens of its images, not {sequence}")
    return seen

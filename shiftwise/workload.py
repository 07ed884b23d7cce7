"""What is simulated: a model's operators, and where its weights are there, the operands and the text for its accuracy."""

from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError
from sim.operators import Operator
from workloads.checkpoint import HELD_OUT_TEXT, MODELS, LanguageModel, load_model
from workloads.shapes import shapes
from workloads.topology import read_topology
from workloads.tracing import Phase, TracedProduct, trace
from workloads.zoo import CONFIGS

DEFAULT_SEQUENCE = 512
ACCURACY_BYTES = 8192


@dataclass(frozen=True)
class Workload:
    """One pass of a model.

    ``operators`` are in order, ``tokens`` how many the pass makes or reads, ``parameters`` of the model (``None`` where
    nobody says). ``traced`` has the products' real operands by name, ``language_model`` and ``text`` are what accuracy is
    measured with; shapes alone have none of them. ``unknown`` names operations that were counted as one for each number.
    """

    name: str
    operators: tuple[Operator, ...]
    tokens: int
    sequence: int
    parameters: int | None = None
    unknown: tuple[str, ...] = ()
    traced: tuple[TracedProduct, ...] = ()
    language_model: LanguageModel | None = None
    text: bytes = b""


def load_workload(
    model: str, phase: Phase, batch: int, sequence: int | None, text: str | Path | None, accuracy_bytes: int | None
) -> Workload:
    """A pass of the named model, of a folder in Hugging Face layout, or of a SCALE-Sim topology in a CSV file.

    An embedded model, and a folder with weights, is traced on ``text``; a bundled configuration, a folder without
    weights, a ``config.json`` and a topology give shapes alone. Raises ``InputError`` for what cannot be used.
    """
    if model in MODELS or any(Path(model).glob("*.safetensors")):
        tokens = DEFAULT_SEQUENCE if sequence is None else sequence
        return _with_weights(model, phase, batch, tokens, text, ACCURACY_BYTES if accuracy_bytes is None else accuracy_bytes)
    for what, value in (("text", text), ("accuracy_bytes", accuracy_bytes)):
        if value is not None:
            raise InputError(f"{what} goes with a model that has weights, not with the shapes of {model!r}: {str(value)!r}")
    if Path(model).suffix == ".csv":
        return _topology(Path(model), phase, batch, sequence)
    if model not in CONFIGS and not Path(model).exists():
        known = ", ".join([*MODELS, *CONFIGS])
        raise InputError(f"unknown model {model!r}; known are {known}, a folder with config.json, or a topology's CSV file")
    found = shapes(model, phase, batch, sequence)
    return Workload(found.name, found.operators, found.tokens, found.sequence, found.parameters, found.unknown)


def _topology(path: Path, phase: Phase, batch: int, sequence: int | None) -> Workload:
    if (phase, batch, sequence) != ("prefill", 1, None):
        raise InputError(
            f"a topology has its sizes in it; phase, batch and sequence are left out, not {phase}, {batch}, {sequence}"
        )
    return Workload(path.stem, read_topology(path), tokens=1, sequence=1)


def _with_weights(
    model: str, phase: Phase, batch: int, sequence: int, text: str | Path | None, accuracy_bytes: int
) -> Workload:
    content = _read_text(text)
    if accuracy_bytes < 2:
        raise InputError(f"accuracy_bytes is at least 2, not {accuracy_bytes}")
    language_model = load_model(model)
    traced = trace(language_model, language_model.encode(content), phase, batch, sequence)
    found = shapes(str(language_model.folder), phase, batch, sequence)
    return Workload(
        name=language_model.name,
        operators=found.operators,
        tokens=found.tokens,
        sequence=sequence,
        parameters=found.parameters,
        unknown=found.unknown,
        traced=traced,
        language_model=language_model,
        text=content[:accuracy_bytes],
    )


def _read_text(text: str | Path | None) -> bytes:
    path = HELD_OUT_TEXT if text is None else Path(text)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"text file {str(path)!r} cannot be read: {error.strerror}") from None
    if len(content) < 2:
        raise InputError(f"text file {str(path)!r} has at least 2 bytes, not {len(content)}")
    return content

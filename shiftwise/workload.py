"""What is simulated: a model's operators, and where its weights are there, the operands and the text for its accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shiftwise.request import Request
from sim.operators import Operator
from workloads.checkpoint import LanguageModel, load_model
from workloads.model_trace import TracedProduct
from workloads.shapes import shapes
from workloads.topology import read_topology
from workloads.tracing import trace

DEFAULT_SEQUENCE = 512


@dataclass(frozen=True)
class Workload:
    """One pass of a model.

    ``operators`` are in order, ``tokens`` how many the pass makes or reads (``None`` of a topology, which knows of none),
    ``parameters`` of the model (``None`` where nobody says). ``traced`` has the products' real operands by name,
    ``language_model`` is what accuracy is measured with, ``calibration`` the text behind what is judged; shapes alone have none
    of them. ``unknown`` names operations that were counted as one for each number.
    """

    name: str
    operators: tuple[Operator, ...]
    tokens: int | None
    sequence: int
    parameters: int | None = None
    unknown: Mapping[str, int] = field(default_factory=dict)
    traced: tuple[TracedProduct, ...] = ()
    language_model: LanguageModel | None = None
    calibration: bytes = b""


def load_workload(asked: Request) -> Workload:
    """A pass of the named model, of a folder in Hugging Face layout, or of a SCALE-Sim topology in a CSV file.

    An embedded model, and a folder with weights, is traced on the text; a bundled configuration, a folder without
    weights, a ``config.json`` and a topology give shapes alone. Raises ``InputError`` for what cannot be used.
    """
    if asked.text is not None:
        return _with_weights(asked, asked.text)
    if asked.is_topology:
        return Workload(Path(asked.model).stem, read_topology(asked.model), tokens=None, sequence=1)
    found = shapes(asked.model, asked.phase, asked.batch, asked.sequence)
    return Workload(found.name, found.operators, found.tokens, found.sequence, found.parameters, found.unknown)


def _with_weights(asked: Request, text: bytes) -> Workload:
    sequence = DEFAULT_SEQUENCE if asked.sequence is None else asked.sequence
    language_model = load_model(asked.model)
    traced = trace(language_model, language_model.encode(text), asked.phase, asked.batch, sequence)
    found = shapes(str(language_model.folder), asked.phase, asked.batch, sequence)
    return Workload(
        name=language_model.name,
        operators=found.operators,
        tokens=found.tokens,
        sequence=sequence,
        parameters=found.parameters,
        unknown=found.unknown,
        traced=traced,
        language_model=language_model,
        calibration=text[asked.accuracy_bytes :],
    )

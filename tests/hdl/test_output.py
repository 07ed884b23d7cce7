"""Results in every format in which they leave, and requantized, as Verilog against ``sim.output``."""

from pathlib import Path

import pytest

from hdl.export import module_texts
from hdl.output import OUTPUTS, Output
from hdl.requantizer import Requantizer, requantizable
from hdl.tools.verilator import Bench, lint
from hdl.verify.output import OutputBank, component_of, output_vectors
from sim.errors import InputError
from sim.formats import FORMATS
from sim.output import output_format, requantizer_latency

CONVERTED = ["fp16", "fixed2.0", "fixed8.4", "fixed16.15", "fixed32.0", "fixed32.32"]
ACTIVATIONS = ("int", "e", "ocp", "fp16", "bf16", "pot3")
"""How the names of formats begin that a PE takes as activations."""
OTHERS = ("uint1", "uint8", "pot6")
REQUANTIZED = [f for f in FORMATS.values() if requantizable(f) and (f.name.startswith(ACTIVATIONS) or f.name in OTHERS)]
BANK = [*map(output_format, CONVERTED), *REQUANTIZED]


def test_every_format_in_its_cycle(build_dir: Path, seed: int) -> None:
    differences = Bench.of([OutputBank(BANK)], build_dir, "-O0").run(output_vectors(BANK, seed))
    assert [f"{BANK[int(d.port.split('_')[1])].name}: {d}" for d in differences] == []


def test_nothing_is_left_out() -> None:
    """Every kind but fp32, and all activations of the registry: integers, minifloats, those of OCP, and wide ones."""
    assert {output_format(name).kind for name in CONVERTED} == set(OUTPUTS) == {"fp16", "fixed"}
    names = {format_.name for format_ in REQUANTIZED}
    assert {f"int{bits}" for bits in (2, 3, 4, 5, 6, 7, 8, 16)} | {"fp16", "bf16", "ocp_e4m3", "ocp_e5m2", "pot3"} <= names
    assert {f"e{e}m{m}" for e in range(1, 6) for m in range(7) if 3 <= 1 + e + m <= 8} <= names


@pytest.mark.parametrize(
    ("name", "cycles"), [("e2m1", 8), ("ocp_e4m3", 10), ("int8", 13), ("int16", 21), ("fp16", 17), ("e3m0", 7)]
)
def test_latency_by_hand(name: str, cycles: int) -> None:
    """Significands of 2, 4, 7, 15, 11 and 1 bits, and six more."""
    assert requantizer_latency(FORMATS[name]) == cycles


@pytest.mark.parametrize("name", ["fp16", "fixed32.32", "int8", "bf16"])
def test_lint_is_clean(name: str, tmp_path: Path) -> None:
    component = component_of(FORMATS[name] if name in ("int8", "bf16") else output_format(name))
    ((file, text),) = module_texts([component]).items()
    (tmp_path / file).write_text(text)
    assert lint([tmp_path / file], component.module_name) == ""


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_bad_input() -> None:
    with pytest.raises(InputError, match="unknown output that results are converted to 'fp32'; known are fp16, fixed"):
        Output(output_format("fp32"))
    for name in ("nf4", "e8m0", "bipolar2", "log4"):
        with pytest.raises(InputError, match=f"requantized to integers, minifloats and powers of two, not to {name}$"):
            Requantizer(FORMATS[name])

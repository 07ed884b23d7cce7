"""Sanity: areas and energies on sky130, scaled to another node, beside published ones, as ratios. None is tuned to be 1.

What is ours was measured (:mod:`reports.sanity_circuits`), and is read from ``costmodel/data/sanity.csv``.
"""

from dataclasses import dataclass

import pandas as pd

from costmodel.activity.gates import VOLTAGE
from costmodel.measured import MEASURED_CSV
from costmodel.scaling import STILLMAKER_AREA, generalized_area, generalized_energy, stillmaker_area, stillmaker_energy

SANITY_CSV = MEASURED_CSV.with_name("sanity.csv")

SKY130_NM = 130
"""[nm] By its name."""

FEMTOJOULE = 1e-3  # [pJ]


@dataclass(frozen=True)
class Publication:
    """Where figures were published, of which node [nm] and supply [V], and what tells all of its circuits from ours."""

    source: str
    node: int
    volt: float
    differs: str


HOROWITZ = Publication(
    "M. Horowitz, Computing's energy problem, ISSCC 2014, figure 1.1.9",
    45,
    0.9,
    "speed, operands and kind of adder are not stated; ours are operators without registers, as small as synthesis makes them",
)
BIT_FUSION = Publication(
    "Sharma et al., Bit Fusion, ISCA 2018: arrays of 1 x 1 in systolic_array_synth.csv of hsharma35/bitfusion at 0246bc4",
    45,
    0.9,
    "500 MHz, dynamic energy of a cycle; their supply and activity are not stated, 0.9 V is an assumption",
)
BITMOD = Publication(
    "Chen et al., BitMoD, HPCA 2025, released synthesis table; supply as in hardware/pe/run_dc.tcl of yc2367/BitMoD at 08d4963",
    28,
    0.9,
    "synthesised for 1 GHz at the slow corner, with leakage; ours are mapped for area alone",
)
AXCORE = Publication(
    "AxCore, MICRO 2025, released tables of W4 x fp16; areas as in PEAreaBreakdown.py of CLab-HKUST-GZ/micro58-axcore-ae at "
    "cfedf34, supply as in its power reports",
    28,
    0.99,
    "synthesised for 1 GHz at the fast corner; other circuits for the same function, ours is one for all of them",
)


@dataclass(frozen=True)
class Published:
    """Published area [um2] and energy [pJ] of a circuit, and the name of ours that stands beside it."""

    what: str
    ours: str
    publication: Publication
    area: float | None = None
    energy: float | None = None
    differs: str = ""


W4_FP16 = "shift_add_float uint4 x fp16, fp16"

BITMOD_W4_RATE = 4 / 2
"""[MAC/cycle] Four lanes take two cycles for a weight of 4 bits (bitmod_sim/pe_array.py at e445a5f)."""

PUBLISHED: tuple[Published, ...] = (
    Published("integer addition, 8 bit", "add 8", HOROWITZ, 36, 0.03),
    Published(
        "integer addition, 16 bit", "add 16", HOROWITZ, 67, 0.05, "its energy is one that later tables name this source for"
    ),
    Published("integer addition, 32 bit", "add 32", HOROWITZ, 137, 0.1),
    Published("integer multiplication, 8 bit", "multiply 8", HOROWITZ, 282, 0.2),
    Published("integer multiplication, 16 bit", "multiply 16", HOROWITZ, differs="not published"),
    Published("integer multiplication, 32 bit", "multiply 32", HOROWITZ, 3495, 3.1),
    Published("PE, 2 x 2 bit", "multiplier int2 x int2, exact", BIT_FUSION, 125, 0.057),
    Published("PE, 4 x 4 bit", "multiplier int4 x int4, exact", BIT_FUSION, 282, 0.120),
    Published("PE, 8 x 8 bit", "multiplier int8 x int8, exact", BIT_FUSION, 688, 0.298),
    Published("PE, 16 x 16 bit", "multiplier int16 x int16, wrap32", BIT_FUSION, 2203, 0.947),
    Published(
        "fused PE, 8 bit", "fused int8 x int8, exact", BIT_FUSION, 1733, 0.560, "theirs switches to 4 and 2 bit while it runs"
    ),
    Published("fp16 multiply-add", "multiplier fp16 x fp16, fp16", BITMOD, 1969, 0.77),
    Published("fp16 x int8 multiply-add", "shift_add_float int8 x fp16, fp16", BITMOD, 1319, 0.613),
    Published(
        "bit-serial PE, a W4 x fp16 MAC",
        W4_FP16,
        BITMOD,
        1794 / BITMOD_W4_RATE,
        0.586 / BITMOD_W4_RATE,
        "theirs has four lanes, aligned to their largest exponent, and 2 such MACs a cycle; takes other weights too",
    ),
    Published("FPC", W4_FP16, AXCORE, 1029, 0.691, "theirs is an fp16 multiply-add, of a weight that was converted"),
    Published("FPMA", W4_FP16, AXCORE, 412, 0.382, "theirs adds codes in place of multiplying, approximately"),
    Published("FIGNA", W4_FP16, AXCORE, 247, 0.156, "theirs multiplies integers: activations are aligned before the array"),
    Published("FIGLUT", W4_FP16, AXCORE, 225, 0.218, "theirs looks sums of activations up, which PEs share"),
    Published(
        "AxCore", W4_FP16, AXCORE, 41.8 + 113.7, 0.113, "theirs adds codes, does not normalise sums, and has few registers"
    ),
)
"""What is published about what is generated here; the energy of a cycle at 1 GHz [pJ] is the power [mW]."""


def sanity_table() -> pd.DataFrame:
    """A row for each of :data:`PUBLISHED`: ours at its node and supply by generalized scaling, theirs, and ratios.

    Areas [um2] and energies [pJ] of an operation or a cycle; ``*_stillmaker`` are the ratios by the scaling of Stillmaker and
    Baas, who have no factor for 28 nm.
    """
    measured = pd.read_csv(SANITY_CSV, index_col="circuit")
    return pd.DataFrame([_row(known, measured.loc[known.ours]) for known in PUBLISHED])


def _row(known: Published, ours: pd.Series) -> dict[str, str | float | None]:
    node, volt = known.publication.node, known.publication.volt
    area, energy = ours["area_um2"], ours["energy_fj"] * FEMTOJOULE
    with_glitches = energy + ours["glitches_fj"] * FEMTOJOULE
    in_energy = generalized_energy(SKY130_NM, node, VOLTAGE, volt)
    scales = node in STILLMAKER_AREA
    return {
        "what": known.what,
        "ours": known.ours,
        "area": area * generalized_area(SKY130_NM, node),
        "published_area": known.area,
        "area_ratio": _ratio(area * generalized_area(SKY130_NM, node), known.area),
        "area_stillmaker": _ratio(area * stillmaker_area(SKY130_NM, node), known.area) if scales else None,
        "energy": energy * in_energy,
        "published_energy": known.energy,
        "energy_ratio": _ratio(energy * in_energy, known.energy),
        "with_glitches": _ratio(with_glitches * in_energy, known.energy),
        "energy_stillmaker": (
            _ratio(energy * stillmaker_energy(SKY130_NM, node, VOLTAGE, volt), known.energy) if scales else None
        ),
        "differs": known.differs,
        "source": f"{known.publication.source}; {node} nm, {volt:g} V",
        "all_differ": known.publication.differs,
    }


def _ratio(ours: float, theirs: float | None) -> float | None:
    return None if theirs is None else ours / theirs

"""Area and energy of a circuit in another technology node, by two published methods; which one was used is always said.

``generalized_*``: every length shrinks with the node and the supply as it does, so area goes with ``L**2`` and energy, with
capacitances in proportion to ``L``, with ``L * V**2`` (G. Baccarani, M. R. Wordeman, R. H. Dennard, Generalized scaling
theory and its application to a 1/4 micrometer MOSFET design, IEEE Trans. Electron Devices 31(4), 1984).

``stillmaker_*``: factors at the nodes that were simulated with predictive transistor models, and at no other (A. Stillmaker,
B. Baas, Scaling equations for the accurate prediction of CMOS device performance from 180 nm to 7 nm, Integration 58, 2017:
areas, and polynomials of energy in the supply; as in wromaszkan/nodeScale at a912c60, nodeScale.py, from 45 nm on those of
high-performance processes, its ``HP`` entries).

Neither knows of wires, cells or design rules: factors of two between a scaled figure and one that was measured are usual.
"""

from sim.errors import InputError

GENERALIZED = "generalized scaling (Baccarani, Wordeman, Dennard, IEEE TED 31(4), 1984): area with L**2, energy with L * V**2"
STILLMAKER = "scaling equations of Stillmaker and Baas (Integration 58, 2017)"


def generalized_area(from_nm: float, to_nm: float) -> float:
    """Factor of area between two nodes [nm]."""
    return (to_nm / from_nm) ** 2


def generalized_energy(from_nm: float, to_nm: float, from_volt: float, to_volt: float) -> float:
    """Factor of energy between two nodes [nm] at their supplies [V]."""
    return to_nm / from_nm * (to_volt / from_volt) ** 2


STILLMAKER_AREA: dict[int, float] = {
    180: 1,
    130: 0.34,
    90: 0.15,
    65: 0.08,
    45: 0.053,
    32: 0.025,
    20: 0.011,
    16: 0.01,
    14: 0.0093,
    10: 0.0055,
    7: 0.0032,
}
"""Area of a circuit by node [nm], in that of 180 nm."""

STILLMAKER_ENERGY: dict[int, tuple[float, float, float]] = {
    180: (0, 24.64, -17.98),
    130: (7.171, -6.709, 2.904),
    90: (4.762, -4.781, 2.092),
    65: (3.755, -4.398, 1.975),
    45: (1.018, -0.3107, 0.1539),
    32: (0.8367, -0.4341, 0.1701),
    20: (0.373, -0.1582, 0.04104),
    16: (0.2958, -0.1241, 0.03024),
    14: (0.2363, -0.09675, 0.02239),
    10: (0.2068, -0.09311, 0.02375),
    7: (0.1776, -0.09097, 0.02447),
}
"""By node [nm], factors of ``V**2``, ``V`` and 1 in the relative energy of an inverter's switching at a supply ``V`` [V]."""


def stillmaker_area(from_nm: int, to_nm: int) -> float:
    """Factor of area between two nodes [nm]. Raises ``InputError`` for a node that the source does not have."""
    return STILLMAKER_AREA[_known(to_nm)] / STILLMAKER_AREA[_known(from_nm)]


def stillmaker_energy(from_nm: int, to_nm: int, from_volt: float, to_volt: float) -> float:
    """Factor of energy between two nodes [nm] at their supplies [V]. Raises as :func:`stillmaker_area` does.

    The source's fits are of supplies around each node's nominal one; 1.8 V at 130 nm lies above that.
    """
    return _relative_energy(to_nm, to_volt) / _relative_energy(from_nm, from_volt)


def _relative_energy(nm: int, volt: float) -> float:
    square, linear, constant = STILLMAKER_ENERGY[_known(nm)]
    return square * volt**2 + linear * volt + constant


def _known(nm: int) -> int:
    if nm not in STILLMAKER_AREA:
        nodes = ", ".join(map(str, STILLMAKER_AREA))
        raise InputError(f"Stillmaker and Baas scale between nodes of {nodes} nm, not {nm} nm")
    return nm

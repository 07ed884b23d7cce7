import math

import pytest

from costmodel.scaling import (
    STILLMAKER_AREA,
    STILLMAKER_ENERGY,
    generalized_area,
    generalized_energy,
    stillmaker_area,
    stillmaker_energy,
)
from sim.errors import InputError


def test_generalized_scaling_by_hand():
    assert generalized_area(90, 45) == 0.25  # half the length
    assert generalized_energy(90, 45, 1.0, 1.0) == 0.5  # half the capacitance
    assert generalized_energy(90, 45, 2.0, 1.0) == 0.125  # and a quarter of V**2
    assert math.isclose(generalized_energy(45, 130, 0.9, 1.8), 11.5556, rel_tol=1e-5)  # 130/45 x 4


@pytest.mark.parametrize(("from_nm", "to_nm", "published"), [(130, 45, 0.16), (65, 32, 0.31), (45, 7, 0.059), (32, 16, 0.41)])
def test_area_factors_are_those_of_the_published_table(from_nm, to_nm, published):
    """The table has a factor of two digits for each pair of nodes, the first row of which is kept here."""
    assert math.isclose(stillmaker_area(from_nm, to_nm), published, rel_tol=0.06)


def test_energy_by_hand():
    # 45 nm at 1 V: 1.018 - 0.3107 + 0.1539; 7 nm at 0.7 V: 0.1776 x 0.49 - 0.09097 x 0.7 + 0.02447
    assert math.isclose(stillmaker_energy(45, 7, 1.0, 0.7), 0.047815 / 0.8612, rel_tol=1e-4)
    assert stillmaker_energy(45, 45, 0.9, 0.9) == 1


def test_there_and_back():
    assert math.isclose(stillmaker_area(130, 14) * stillmaker_area(14, 130), 1)
    assert math.isclose(generalized_energy(130, 28, 1.8, 0.9) * generalized_energy(28, 130, 0.9, 1.8), 1)


def test_nodes_that_are_not_published_are_refused():
    with pytest.raises(InputError, match="scale between nodes of 180, 130, .*, 7 nm, not 28 nm"):
        stillmaker_area(130, 28)
    with pytest.raises(InputError, match="not 28 nm"):
        stillmaker_energy(28, 7, 0.9, 0.7)


def test_both_tables_have_the_same_nodes():
    assert list(STILLMAKER_AREA) == list(STILLMAKER_ENERGY)

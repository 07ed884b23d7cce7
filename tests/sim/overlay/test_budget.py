"""N of blocks under a budget: against all choices, and the cycles and sizes that no choice changes."""

from itertools import product

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.budget import best_within, check_mean, check_sums, filled
from sim.overlay.cells import CellLayout
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.engine import DENSITIES, Engine
from sim.overlay.sparsity import block_bytes
from sim.overlay.tile_cycles import map_cycles, tile_cycles

CASES = [(4, 8), (4, 6), (4, 1), (3, 2), (2, 6), (1, 4), (5, 6)]


def enumerated(blocks: int, kept: int) -> list[tuple[int, ...]]:
    return [choice for choice in product(DENSITIES, repeat=blocks) if sum(choice) == kept * blocks]


@pytest.mark.parametrize(("per_group", "kept"), CASES)
def test_no_other_choice_is_worth_more(per_group: int, kept: int, rng: np.random.Generator) -> None:
    """Two whole groups and, where N can have the mean, one of two blocks; three columns of blocks."""
    rest = 2 if per_group > 2 and enumerated(2, kept) else 0
    worth = rng.normal(size=(2 * per_group + rest, 3, 5))
    found = best_within(worth, kept, per_group)
    check_sums(found, kept, per_group)
    for first in range(0, len(worth), per_group):
        group = slice(first, first + per_group)
        for column in range(3):
            of_choices = [
                sum(worth[first + i, column, DENSITIES.index(n)] for i, n in enumerate(choice))
                for choice in enumerated(len(worth[group]), kept)
            ]
            places = np.searchsorted(DENSITIES, found[group, column])
            own = worth[group, column][np.arange(len(places)), places].sum()
            assert own == pytest.approx(max(of_choices), rel=1e-12)


def test_filled_wherever_there_is_a_way() -> None:
    """All least N of three blocks: those that some choice with the sum covers, and no other."""
    for kept, least in product((2, 6, 8), product(DENSITIES, repeat=3)):
        given = np.array(least, np.uint8)[:, None]
        if any(all(a <= b for a, b in zip(least, choice, strict=True)) for choice in enumerated(3, kept)):
            found = filled(given, kept, 3)
            assert (found >= given).all() and found.sum() == 3 * kept
        else:
            with pytest.raises(InputError, match=rf"keep {kept} of 16 in the mean, which blocks of at least \[{least[0]}, "):
                filled(given, kept, 3)


@pytest.mark.parametrize("chain", [1, 4, 16])
@pytest.mark.parametrize("mode", ["mm", "mv"])
def test_cycles_are_those_of_equal_blocks(chain: int, mode: str, rng: np.random.Generator) -> None:
    """Each vector unit has as much to do as any other, so the mean says it exactly, the last, shorter group included."""
    engine = Engine(units=2, vector_units=3, chain=chain)
    for kept in (2, 6, 8):
        densities = best_within(rng.normal(size=(10, 17, 5)), kept, 4)
        assert len(np.unique(densities)) > 2
        found = map_cycles(engine, 5, densities, mode, 64)
        assert found == tile_cycles(engine, 5, 160, 272, kept, mode, 64)


@pytest.mark.parametrize("name", ["int2", "int4", "int8", "e2m1"])
def test_room_of_a_cell(name: str) -> None:
    """Blocks that keep all have no indices, so equal blocks are those that take most."""
    layout = CellLayout(EXPANDED[name], 64, 8, 64, False)
    sizes = [block_bytes(np.array(choice), layout.format).sum() for choice in enumerated(4, 8)]
    assert layout.code_bytes == 2 + max(sizes) == 2 + block_bytes(np.full(4, 8), layout.format).sum()


def test_what_is_no_budget() -> None:
    assert check_mean(6, 2) == 12
    for call, message in (
        (lambda: check_mean(6, 1), "blocks in a group of 1 along k, of N 0, 2, 4, 8, 16, have a mean such as 4, not 6"),
        (lambda: check_mean(7, 3), "have a mean such as 6, not 7"),
        (lambda: check_sums(np.array([[8], [4]]), 8, 1), "blocks keep 8 of 16, not .4."),
        (lambda: check_sums(np.array([[8, 16], [8, 2]]), 8, 2), "the 2 blocks .* keep 8 of 16 in the mean, not .16, 2."),
        (lambda: check_sums(np.array([[8], [8], [4]]), 8, 2), "not .4."),
    ):
        with pytest.raises(InputError, match=message):
            call()

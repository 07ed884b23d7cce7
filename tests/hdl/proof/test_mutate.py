"""Wrong bits that the vectors of a PE must tell from the right hardware."""

from pathlib import Path

import numpy as np

from hdl.bench.vectors import Vectors
from hdl.pe import pe_parts
from hdl.proof.mutate import mutate
from hdl.verify.pe import pe_vectors
from sim.design import DesignPoint

SMALL = DesignPoint("test", weight_format="uint2", activation_format="int2", group_size=4)


def test_wrong_bits_of_a_small_pe_are_found(build_dir: Path, seed: int) -> None:
    vectors, _, _ = pe_vectors(SMALL, seed)
    outcome = mutate("small", pe_parts(SMALL), vectors, build_dir / "mutants", 20)
    assert [mutant.number for mutant in outcome.mutants] == list(range(1, 21))
    assert outcome.count("killed") >= 19

    # Vectors that check nothing kill nothing, and what is told apart by an input is not proved equal.
    nothing = Vectors(vectors.inputs, vectors.outputs, {name: np.zeros(vectors.cycles, dtype=bool) for name in vectors.outputs})
    unchecked = mutate("unchecked", pe_parts(SMALL), nothing, build_dir / "mutants", 20)
    left = {"killed": "survived", "survived": "survived", "equivalent": "equivalent"}
    assert [mutant.fate for mutant in unchecked.mutants] == [left[mutant.fate] for mutant in outcome.mutants]

"""Every code that the dequantization unit takes, against the formats' own numbers."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS, NORMAL_FLOAT_4
from sim.overlay.dequantizer import EXPANDED, NF4_INT8, expand, zero_code


@pytest.mark.parametrize("name", EXPANDED)
def test_every_code(name: str) -> None:
    format_ = EXPANDED[name]
    codes = np.arange(len(format_.values))
    expanded = expand(format_, codes)
    assert expanded.dtype == np.int8
    assert (np.ldexp(expanded.astype(np.float64), format_.lsb) == format_.to_real(codes)).all()


def test_every_code_with_every_zero_point() -> None:
    for bits in range(1, 8):
        codes, zero = np.meshgrid(np.arange(1 << bits), np.arange(1 << bits))
        assert (expand(FORMATS[f"uint{bits}"], codes, zero) == codes - zero).all()


def test_what_fits() -> None:
    assert {"int2", "int8", "uint7", "e2m1", "e2m3", "e3m0", "bipolar4", "pot4", "nf4_int8"} <= EXPANDED.keys()
    # 255, 192 and 256 are beyond int8; NaN is no weight
    assert not {"uint8", "e3m1", "nf4_8", "ocp_e4m3", "int16"} & EXPANDED.keys()


def test_codebook_of_integers() -> None:
    assert [v / 127 for v in NF4_INT8.values] == pytest.approx(NORMAL_FLOAT_4, abs=0.5 / 127)


def test_wrong_formats() -> None:
    with pytest.raises(InputError, match="not uint8"):
        expand(FORMATS["uint8"], np.array([1]))
    with pytest.raises(InputError, match="zero points go with unsigned integers, not with int4"):
        expand(FORMATS["int4"], np.array([1]), np.array([1]))
    with pytest.raises(InputError, match="pruned weights are 0, which bipolar2 does not have"):
        zero_code(FORMATS["bipolar2"])
    assert zero_code(FORMATS["int4"]) == 0

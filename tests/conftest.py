"""What several tests share: a seeded generator whose seed is printed, and the embedded model."""

import numpy as np
import pytest

from workloads.checkpoint import HELD_OUT_TEXT, LanguageModel, load_model

SEED = 20261122


@pytest.fixture
def rng() -> np.random.Generator:
    print(f"seed {SEED}")
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def tiny() -> LanguageModel:
    return load_model("tiny-stdlib")


@pytest.fixture(scope="session")
def held_out() -> bytes:
    return HELD_OUT_TEXT.read_bytes()

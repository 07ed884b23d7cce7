"""What several tests share: a seeded generator whose seed is printed, and the embedded model."""

from pathlib import Path

import numpy as np
import pytest

import costmodel.measured
import costmodel.synthesis.cache
from workloads.checkpoint import LanguageModel, load_model
from workloads.embedded import HELD_OUT_TEXT

SEED = 20261122


@pytest.fixture
def rng() -> np.random.Generator:
    print(f"seed {SEED}")
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all benches: what Verilator needs for each of them is compiled once."""
    return tmp_path_factory.mktemp("benches")


@pytest.fixture(scope="session")
def tiny() -> LanguageModel:
    return load_model("tiny-stdlib")


@pytest.fixture(scope="session")
def held_out() -> bytes:
    return HELD_OUT_TEXT.read_bytes()


@pytest.fixture(scope="session")
def kept_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def no_results_of_this_user(kept_results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was synthesised on this machine before is synthesised again, once for all tests."""
    monkeypatch.setattr(costmodel.synthesis.cache, "cache_folder", lambda: kept_results)
    return kept_results


@pytest.fixture(autouse=True)
def no_rows_of_this_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Areas that somebody measured on this machine do not change what the tests see."""
    own = tmp_path_factory.mktemp("cache") / "measured.csv"
    monkeypatch.setattr(costmodel.measured, "own_measured_csv", lambda: own)
    return own

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all benches: what Verilator needs for each of them is compiled once."""
    return tmp_path_factory.mktemp("hdl")


@pytest.fixture
def seed() -> int:
    """Fixed, unless the environment asks for another one; printed when a test fails."""
    value = int(os.environ.get("SHIFTWISE_SEED", "20240611"))
    print(f"SHIFTWISE_SEED={value}")
    return value

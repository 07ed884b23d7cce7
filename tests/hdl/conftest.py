import os

import pytest


@pytest.fixture
def seed() -> int:
    """Fixed, unless the environment asks for another one; printed when a test fails."""
    value = int(os.environ.get("SHIFTWISE_SEED", "20240611"))
    print(f"SHIFTWISE_SEED={value}")
    return value

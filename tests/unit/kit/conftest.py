"""By which ways is a service reached? Every assertion about calls is made over each of them."""

import pytest


@pytest.fixture(params=["wire", "local"])
def way(request: pytest.FixtureRequest) -> str:
    """Over a socket, and within one process."""
    return str(request.param)

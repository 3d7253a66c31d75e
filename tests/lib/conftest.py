import pytest
from hypothesis import settings

from tests.book import building

# The same examples on every run, however slow the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def loaded_workers():
    """The workers of clusters begin where their packages have been loaded."""
    dask = pytest.importorskip("dask")
    building.load()
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield

"""The records of the library can be compared, kept in sets and used as keys, arrays and all."""

import dataclasses
import importlib
import inspect
import pkgutil

import implicit_bias
import numpy as np
import pytest

RECORDS = {
    value
    for module in pkgutil.iter_modules(implicit_bias.__path__)
    for value in vars(importlib.import_module(f"implicit_bias.{module.name}")).values()
    if inspect.isclass(value)
    and dataclasses.is_dataclass(value)
    and value.__module__.startswith("implicit_bias.")
    and "._" not in f"{value.__module__}.{value.__name__}"  # private
}
WITH_ARRAYS = sorted(
    (record for record in RECORDS if any("ndarray" in str(field.type) for field in dataclasses.fields(record))),
    key=lambda record: (record.__module__, record.__name__),
)


def test_the_records_are_found():
    assert {"Result", "Path", "NonnegativeResult", "Problem", "Plateaus", "NestedFits"} <= {r.__name__ for r in RECORDS}


@pytest.mark.parametrize("record", WITH_ARRAYS, ids=lambda record: record.__name__)
def test_a_record_with_arrays_is_compared_without_an_error(record):
    fields = {field.name: np.zeros(3) for field in dataclasses.fields(record)}
    first, second = record(**fields), record(**fields)
    assert first == first
    assert first != second
    assert first in [second, first]
    assert len({first, second, first}) == 2

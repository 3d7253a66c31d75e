def pytest_collection_modifyitems(items):
    """Fast tests first, then those that build books, then those that drive a browser."""
    items.sort(key=lambda item: ("site" in item.path.parts, item.get_closest_marker("slow") is not None))

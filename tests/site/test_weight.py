"""How much a first visit loads."""

from book.weight import weigh


def test_a_page_is_light(browser, site, path):
    weights, most = weigh(browser, site / path)
    assert weights["document"]
    assert sum(weights.values()) <= most, weights

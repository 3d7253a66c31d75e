"""Whoever builds the book gets the same site, byte by byte."""

import pytest

from tests.site.conftest import files

pytestmark = pytest.mark.slow


def test_a_clean_build_elsewhere_gives_the_same_bytes(site, elsewhere):
    here, there = files(site), elsewhere.files
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == [], "if you have not just run make clean book, do"
    assert [name for name in there if str(elsewhere.book).encode() in there[name]] == []

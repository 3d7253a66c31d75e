"""Whoever builds the book gets the same site, byte by byte."""

import pytest

pytestmark = pytest.mark.slow


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_clean_build_elsewhere_gives_the_same_bytes(site, elsewhere):
    html, _ = elsewhere
    here, there = files(site), files(html)
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == [], "if you have not just run make clean book, do"
    assert [name for name in there if str(html.parents[2]).encode() in there[name]] == []

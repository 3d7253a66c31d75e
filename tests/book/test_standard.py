"""References by number: each page is loaded once, and once more when it was written anew."""

import os
from types import SimpleNamespace

from book.standard import Loaded


def test_a_page_is_loaded_once_and_again_when_it_has_changed(tmp_path):
    loads = []
    page = tmp_path / "page.doctree"
    page.write_bytes(b"")
    env = SimpleNamespace(doctreedir=tmp_path, get_doctree=lambda name: loads.append(name) or object(), config="kept")
    loaded = Loaded(env)
    first = loaded.get_doctree("page")
    assert loaded.get_doctree("page") is first and loads == ["page"]
    os.utime(page, ns=(0, 0))
    assert loaded.get_doctree("page") is not first and loads == ["page", "page"]
    assert loaded.config == "kept"

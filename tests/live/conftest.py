"""The built site, as for the tests of the site."""

from tests.site.conftest import site

__all__ = ["site"]

"""The web application's fixtures: what a backend adds shows on the pages."""

from web.conftest import app, clara, desk  # noqa: F401  (fixtures)
from web.staff.conftest import office  # noqa: F401  (a fixture)

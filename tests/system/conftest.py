"""Enrolled gateways at rest, made once for all system tests that break copies of them."""

import pytest
from plants import Template, make_template, make_used_template


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Enrolled, and never started."""
    return make_template(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def used(fresh: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Has admitted a worker; everything acknowledged; ended in peace."""
    return make_used_template(fresh, tmp_path_factory.mktemp("used"))

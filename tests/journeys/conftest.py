"""Journeys: whole stories, from the first act to the last file; pages in a real browser."""

from tests.browser.conftest import (  # noqa: F401 -- fixtures
    chromium,
    context,
    make_server,
    new_context,
    own_page,
    page,
    serve,
    serve_fresh,
    server,
    unwatched_page,
)

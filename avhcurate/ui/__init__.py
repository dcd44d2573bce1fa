"""The kit of every page: main script, frame, filters, sample grid, details, charts, job forms."""

import logging

# Streamlit warns of each cache that is made before its server runs, which is when the server imports this.
logging.getLogger("streamlit.runtime.caching.cache_data_api").addFilter(
    lambda record: not record.getMessage().startswith("No runtime found")
)

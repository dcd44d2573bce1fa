"""The main script, the sidebar with its filters, and the header of a page."""

"""The kit of every page: main script, frame, filters, sample grid, details, charts, job forms."""

"""A dataset's life: sources, the one table, decisions, exports."""

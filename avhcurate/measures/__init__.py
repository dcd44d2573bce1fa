"""Pure functions over arrays: scores of hardness and statistics."""

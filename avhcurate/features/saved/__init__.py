"""Named views and sets, splits into subsets, and the history of decisions."""

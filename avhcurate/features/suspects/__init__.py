"""Labels that are likely wrong, with the evidence, and their review."""

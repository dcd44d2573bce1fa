"""Pure statistics: rank correlations with HSF, tests that compare them, nearest neighbours by angle."""

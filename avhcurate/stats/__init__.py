"""Statistics over arrays: correlation and its tests, ranks, calibration, neighbours, folds."""

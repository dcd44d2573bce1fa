"""Statistics over arrays: correlation and its tests, ranks, intervals, calibration, neighbours, folds."""

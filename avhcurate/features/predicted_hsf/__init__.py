"""Predicted HSF: a model of the votes that some samples have gives every sample an HSF, with an interval."""

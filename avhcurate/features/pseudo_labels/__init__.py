"""Class-balanced selection of pseudo-labels by confidence, AVC or LRENT."""

"""Networks: found by name, given weights, their last linear layer located, run over images."""

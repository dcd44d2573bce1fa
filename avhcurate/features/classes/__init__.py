"""Which classes people and the network do not tell apart, and which hold two kinds of images."""

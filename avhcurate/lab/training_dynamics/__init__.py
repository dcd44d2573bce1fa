"""AVH, norm, accuracy and loss as a network learns, and the paper's five discoveries."""

"""Whether decisions about labels made a network better: measured on images that nothing has learnt from."""

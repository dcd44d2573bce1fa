"""The grid of images: views, tiles, the selection, what is done with it, and the details."""

"""The code that touches the disk: workspace, datasets, images, thumbnails, votes, runs, annotations."""

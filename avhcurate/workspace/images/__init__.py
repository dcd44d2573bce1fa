"""Images as bytes and pixels: where they lie, safe decoding, thumbnails, measures of quality."""

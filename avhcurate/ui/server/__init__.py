"""What the server answers beside pages: images, scripts, decisions; and what it asks of every request."""

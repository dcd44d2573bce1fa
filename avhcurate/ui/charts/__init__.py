"""Charts and tables: their style, what a click on a mark does, and regions drawn on them."""

"""The laboratory: the experiments of the paper. Nothing imports it; its `entry_points.txt` names what it adds."""

"""What people decide about samples: tags, relabels, exclusions, named sets and views, history."""

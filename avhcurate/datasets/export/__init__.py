"""Export: curated labels as files for other tools."""

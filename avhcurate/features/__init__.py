"""A folder for each feature: rules, service, plots and what the page draws."""

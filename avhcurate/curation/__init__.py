"""Pure rules: votes to human selection frequency, its bins and reliability, filters, gap sets, pseudo-labels."""

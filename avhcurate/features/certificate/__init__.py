"""How many labels are wrong at most, by blind looks at some of them, as a certificate that travels with the labels."""

"""Human votes and human selection frequency (HSF): responses, counting, bins, reliability, vote files."""

"""What every page and route builds on: the frame, the address, choices, texts, errors, sign-in and jobs."""

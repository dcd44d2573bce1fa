"""Streamlit components of our own: the sample grid, voting, review, chart events."""

"""Verbs that join the layers below: import, vote, score, correlate, select, export."""

"""Collecting human votes: tasks, sessions, annotators, vote quality."""

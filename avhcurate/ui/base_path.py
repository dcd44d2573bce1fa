"""The path below which the app is served."""

import streamlit as st


def base_path() -> str:
    """The path with a slash before it, "" for none."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""

"""Toy: overlapping Gaussians and a small network, where the Bayes error is known and AVH and norm can be held to it."""

import streamlit as st

from avhcurate.ui import frame, toy

st.title("Toy")
here = frame.here()
st.caption("What the paper claims, where the truth is known: overlapping Gaussians, and a small network trained live.")
asked = toy.settings(here.view)
toy.choose_settings(asked)
result = toy.trained(here.workspace.root, asked)
st.markdown(toy.reading(result))
toy.explore(result)

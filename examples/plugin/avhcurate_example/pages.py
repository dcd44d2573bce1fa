"""A page of the menu Analysis: its script is `class_sizes.py`."""

from pathlib import Path

from avhcurate.plugins import Page

class_sizes = Page(
    title="Class sizes",
    icon="bar_chart",
    question="How many images has each class?",
    column="Data",
    file=Path(__file__).with_name("class_sizes.py"),
)

"""Weights that the repository carries in its `data/`; nothing here needs torch."""

from pathlib import Path

#: DigitsNet's, made by `python -m avhcurate.training.digits`.
DIGITS_WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "digits_cnn.safetensors"

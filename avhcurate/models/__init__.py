"""Networks by name: weights, last linear layer, preprocessing, and the engine that runs them."""

from pathlib import Path

#: DigitsNet's weights, made by `python -m avhcurate.training.digits`; here, because reading their hash needs no torch.
DIGITS_WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "digits_cnn.safetensors"

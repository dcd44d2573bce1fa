"""Networks by name: weights, last linear layer, preprocessing, and the engine that runs them."""

from avhcurate.workspace.disk.app_files import ROOT

#: DigitsNet's weights, made by `python -m benchmarks.digits_network`. Here, since their hash needs no torch.
DIGITS_WEIGHTS = ROOT / "data" / "digits_cnn.safetensors"

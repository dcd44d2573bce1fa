"""What the build does beyond copying the package: dependencies from requirements.txt, and the app inside the wheel."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

#: The app next to its package; in a wheel it is in `avhcurate/_app` (see `avhcurate.workspace.disk.app_files`).
APP = ("app.py", "pages", ".streamlit/config.toml", "data/README.md", "data/digits_cnn.safetensors")


class Dependencies(MetadataHookInterface):
    """One list for `pip install -r requirements.txt` and for the wheel."""

    def update(self, metadata: dict[str, Any]) -> None:
        lines = Path(self.root, "requirements.txt").read_text(encoding="utf-8").splitlines()
        metadata["dependencies"] = [line for line in lines if line and not line.startswith("#")]


class AppInWheel(BuildHookInterface):
    """A wheel that serves; an editable install finds the app in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"] |= {str(Path(self.root, path)): f"avhcurate/_app/{path}" for path in APP}

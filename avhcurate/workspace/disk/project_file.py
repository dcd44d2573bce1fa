"""What an avhcurate.toml in the current folder sets for every call made there."""

import tomllib
from pathlib import Path

from avhcurate.errors import CurateError

NAME = "avhcurate.toml"
_KEYS = ("workspace", "dataset", "model")


def project_settings() -> dict[str, str]:
    """Return the settings that the file has; none without it. Raise CurateError for another key or value."""
    file = Path(NAME)
    if not file.is_file():
        return {}
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise CurateError(f"{NAME} cannot be read ({problem}). Fix or remove it.") from None
    for key, value in settings.items():
        if key not in _KEYS or not isinstance(value, str) or not value:
            raise CurateError(f"{key} = {value!r} in {NAME} is not valid. It may set {', '.join(_KEYS)}, to texts.")
    return settings

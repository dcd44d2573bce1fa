"""timm's networks, an extra: `timm:NAME` or `timm:NAME.TAG`, with the preprocessing of its data configuration."""

import difflib
import math
from typing import Any

from torch import nn

from avhcurate.errors import CurateError
from avhcurate.models.architecture import Architecture, Pretrained
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.weights import Weights, own_weights


def architecture(name: str) -> Architecture:
    """Raises CurateError when timm is not installed, or has no network of that name."""
    timm = _timm()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models())
        hint = f"did you mean {' or '.join('timm:' + n for n in near)}?" if near else "timm.list_models() has them all"
        raise CurateError(f"unknown model 'timm:{name}': {hint}")

    def build(num_classes: int | None, side: int) -> nn.Module:
        return timm.create_model(name, **({} if num_classes is None else {"num_classes": num_classes}))

    def load() -> Weights:
        try:
            return own_weights(timm.create_model(name, pretrained=True), f"timm {name}")
        except Exception as error:  # timm's sources fail in many ways: hub, connection, no weights at all
            raise CurateError(
                f"the weights of timm:{name} could not be had ({str(error).splitlines()[0]}): give a file by "
                "--weights FILE, or take --weights random for timing"
            ) from None

    return Architecture(build, _preprocess(timm, name), Pretrained(load))


def _preprocess(timm: Any, name: str) -> Preprocess:
    try:
        configuration = timm.get_pretrained_cfg(name)
    except RuntimeError:
        architecture, _, tag = name.partition(".")
        tags = ", ".join(timm.list_pretrained(f"{architecture}.*")) or "none"
        raise CurateError(f"timm:{architecture} has no weights tagged {tag!r}, only: {tags}") from None
    data = timm.data.resolve_data_config(pretrained_cfg=configuration.to_dict())
    side = data["input_size"][-1]
    return Preprocess(
        # A crop_pct above 1, as VOLO's, would frame the image in black: here it fills the square.
        resize=max(side, math.floor(side / data["crop_pct"])),
        crop=side,
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        interpolation=data["interpolation"],
        squash=data["crop_mode"] == "squash",
    )


def _timm() -> Any:
    try:
        import timm
    except ImportError:
        raise CurateError("timm:NAME needs the package timm: pip install 'avhcurate[timm]'") from None
    return timm

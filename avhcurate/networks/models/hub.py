"""Networks of Hugging Face transformers: `transformers:FOLDER-or-HUB`, image classifiers with their image processor.

A name is a folder as `save_pretrained` writes it, or OWNER/NAME of the hub. No code of theirs is ever run: weights are
safetensors, or checkpoints read with `weights_only`, and what a configuration asks to be fetched and run is not.
"""

import copy
import hashlib
import re
from typing import Any

import numpy as np
import torch
from torch import nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.extras import package
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import Weights, first_line, own_weights
from avhcurate.workspace.disk.files import user_path

#: PIL's numbers of resampling, as image processors keep them.
_INTERPOLATIONS = {0: "nearest", 2: "bilinear", 3: "bicubic"}

#: Above this side a ConvNeXt processor squeezes the image to the square, and crops no more.
_CONVNEXT_SQUEEZES = 384

#: Largest mean difference of normalised pixels from the network's own processor, in units of its standard deviations.
#: PIL and torch round their resizing differently by less than a tenth of it; a crop one pixel off is twice it or more.
_TOLERANCE = 0.02


class HubModel:
    """A network of `FAMILY:PLACE`: a folder or a repository of the hub, read part by part.

    Raises CurateError when transformers is not installed, or a part cannot be had or would need code of its own.
    """

    def __init__(self, family: str, address: str) -> None:
        self.name = f"{family}:{address}"
        self._library = package("transformers", self.name, "transformers")
        # Its warnings are of training and of files that are read well.
        self._library.utils.logging.set_verbosity_error()
        self._library.utils.logging.disable_progress_bar()
        folder = user_path(address)
        self._local = folder.is_dir()
        self._address = address
        if self._local:
            self._address = str(folder)
        elif not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", address):
            raise CurateError(f"{self.name}: there is no folder {address!r}. Give one, or OWNER/NAME of the hub.")
        #: A folder's configuration, which may be edited, says what the network computes.
        self.code = None
        if self._local and (file := folder / "config.json").is_file():
            self.code = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}
        self.config = self._read("AutoConfig", "The configuration")
        # A configuration may name a repository whose compiled code would compute the attention.
        self.config._attn_implementation = None

    def weights(self, kind: str) -> nn.Module:
        """Return the network with its weights, float32, at rest; `kind` is the class of transformers that builds it."""
        options = {"config": copy.deepcopy(self.config), "dtype": torch.float32, "weights_only": True}
        module, report = self._read(kind, "The network", output_loading_info=True, **options)
        lacking = [*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])]
        if lacking:
            named = ", ".join(sorted(map(str, lacking))[:3])
            raise CurateError(
                f"{self.name} lacks {len(lacking)} weights of a {type(module).__name__} ({named}). Give one that was "
                "trained as such."
            )
        return module.eval().requires_grad_(False)

    def untrained(self, kind: str, **changes: Any) -> nn.Module:
        """Return a network of the same configuration, with changes, and random weights."""
        config = copy.deepcopy(self.config)
        for name, value in changes.items():
            setattr(config, name, value)
        return getattr(self._library, kind).from_config(config, trust_remote_code=False)

    def tokenizer(self) -> Any:
        """Return what turns prompts into tokens."""
        return self._read("AutoTokenizer", "The tokenizer")

    def preprocess(self) -> Preprocess:
        """What the image processor does. Raises CurateError when that is not a resize, a crop and a normalisation."""
        processor = self._read("AutoImageProcessor", "The image processor")
        try:
            preprocess = _preprocess(processor)
            same = _difference(processor, preprocess) <= _TOLERANCE
        except (AttributeError, KeyError, TypeError, ValueError, CurateError):
            same = False
        if not same:
            raise CurateError(
                f"{self.name}: its {type(processor).__name__} does more than resize, crop and normalise an image: give "
                f"the network as PACKAGE.MODULE:FACTORY, with {Option('resize')}, {Option('crop')}, {Option('mean')} "
                f"and {Option('std')}"
            )
        return preprocess

    def _read(self, kind: str, part: str, **options: Any) -> Any:
        try:
            reader = getattr(self._library, kind)
            return reader.from_pretrained(
                self._address, trust_remote_code=False, local_files_only=self._local, **options
            )
        except Exception as error:  # files, hub and libraries fail in many ways
            raise CurateError(
                f"{part} of {self.name} is not available ({first_line(error)}). Check the name and the network, or the "
                "files in the folder."
            ) from None


def hub_classifier(address: str) -> Architecture:
    """Return the image classifier of `transformers:PLACE`, the names of its classes with it.

    Raises CurateError when it cannot be had, as `HubModel` does.
    """
    kind = "AutoModelForImageClassification"
    model = HubModel("transformers", address)

    def build(num_classes: int | None, side: int) -> nn.Module:
        if num_classes is None:
            return model.untrained(kind)
        return model.untrained(kind, num_labels=num_classes)

    def load() -> Weights:
        return own_weights(model.weights(kind), f"transformers {address}")

    return Architecture(build, model.preprocess(), load, _class_names(model.config), code=model.code)


def _class_names(config: Any) -> tuple[str, ...] | None:
    """Return the names in order; None where they are only numbered, as transformers does by itself."""
    names = dict(getattr(config, "id2label", None) or {})
    listed = tuple(str(names.get(number, f"LABEL_{number}")) for number in range(len(names)))
    if all(name == f"LABEL_{number}" for number, name in enumerate(listed)):
        return None
    return listed


def _preprocess(processor: Any) -> Preprocess:
    size: dict[str, int] = dict(processor.size)
    squash = "height" in size
    resize = crop = size.get("height") or size["shortest_edge"]
    if getattr(processor, "do_center_crop", None):
        crop = dict(processor.crop_size)["height"]
    elif getattr(processor, "crop_pct", None) and not squash:
        squash = crop >= _CONVNEXT_SQUEEZES
        if not squash:
            resize = int(crop / processor.crop_pct)
    mean, std = (np.broadcast_to(v, 3) for v in (processor.image_mean, processor.image_std))
    if not processor.do_normalize:
        mean = np.zeros(3)
        std = np.ones(3)
    # (x * factor - mean) / std, in units of x / 255.
    unit = 255.0
    if processor.do_rescale:
        unit *= processor.rescale_factor
    return Preprocess(
        resize=resize if processor.do_resize else None,
        crop=crop,
        mean=tuple((mean / unit).tolist()),
        std=tuple((std / unit).tolist()),
        interpolation=_INTERPOLATIONS[int(processor.resample)],
        squash=squash,
    )


def _difference(processor: Any, preprocess: Preprocess) -> float:
    """Return the mean difference of pixels from those that the processor itself makes of a wide image."""
    side = preprocess.crop
    coarse = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    rgb = Preprocess(resize=2 * side, crop=2 * side, squash=True).prepare(coarse)[: side + side // 2]
    theirs = np.asarray(processor(images=rgb, return_tensors="np")["pixel_values"])[0]
    ours = (preprocess.prepare(rgb) / 255 - preprocess.mean) / preprocess.std
    # Of other shapes, no number or an error.
    return float(np.abs(theirs - ours.transpose(2, 0, 1)).mean())

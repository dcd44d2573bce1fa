"""Zero-shot classifiers: `clip:FOLDER-or-HUB`, whose class weights are the embeddings of class names in prompts.

As in Radford et al. 2021 (doi.org/10.48550/arXiv.2103.00020), section 3.1: the logits are the cosines between image
and class, times a learnt scale; a class is the mean of the unit vectors of its prompts, of unit length again.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.hub import HubModel
from avhcurate.networks.models.runtime import one_thread
from avhcurate.networks.models.weights import own_weights
from avhcurate.workspace.data.run_records import PromptsRecord

#: The prompt where none is given; the class name takes the place of the braces.
TEMPLATES = ("a photo of a {}",)

#: Prompts that the text encoder takes at once.
_BATCH = 256


def prompts_of(name: str, templates: Sequence[str]) -> list[str]:
    """Return the prompts of one class.

    >>> prompts_of("arctic_fox", ["a photo of a {}", "a drawing of a {}"])
    ['a photo of a arctic fox', 'a drawing of a arctic fox']
    """
    return [template.replace("{}", name.replace("_", " ").strip()) for template in templates]


class ZeroShotClassifier(nn.Module):
    """Images to logits (N, K) by the image encoder of `network` and the class weights of `prompts`.

    The features (N, D) are unit vectors times the scale of the logits, the class weights (K, D) unit vectors: so their
    product is the logits. SigLIP's bias, one number, is the bias of all classes.
    """

    scale: Tensor

    def __init__(self, network: Any, tokenizer: Any, prompts: PromptsRecord) -> None:
        super().__init__()
        class_weights = _class_weights(network, tokenizer, prompts)
        bias = getattr(network, "logit_bias", None)
        self.head = nn.Linear(class_weights.shape[1], len(class_weights), bias=bias is not None)
        with torch.no_grad():
            self.head.weight.copy_(class_weights)
            if bias is not None:
                self.head.bias.copy_(bias.expand(len(class_weights)))
        self.register_buffer("scale", network.logit_scale.detach().exp().reshape(()))
        self.network = copy.copy(network)
        # Its work is done, and a copy of the network would hold it twice.
        self.network._modules = {name: part for name, part in network._modules.items() if not name.startswith("text_")}
        self.network._parameters = {}

    def forward(self, images: Tensor) -> Tensor:
        embedding = _tensor(self.network.get_image_features(pixel_values=images))
        return self.head(F.normalize(embedding, dim=1) * self.scale)


def zero_shot(address: str, prompts: PromptsRecord) -> Architecture:
    """The two encoders of `clip:PLACE` (CLIP, SigLIP and their like) as a classifier of the classes of `prompts`.

    Raises CurateError when they cannot be had, as `HubModel` does, or do not embed images and texts.
    """
    for template in prompts.templates:
        if template.count("{}") != 1:
            raise CurateError(
                f"{Option('prompt')} {template!r}: put {{}} once where the class name goes, as {TEMPLATES[0]!r}"
            )
    model = HubModel("clip", address)

    def build(num_classes: int | None, side: int) -> nn.Module:
        if len(prompts.names) < 2 or num_classes not in (None, len(prompts.names)):
            raise CurateError(
                f"{Option('classes')} names {len(prompts.names)} classes and the dataset has {num_classes or 'none'}. "
                "Give at least two, each in order, as cat,dog."
            )
        return ZeroShotClassifier(_two_encoders(model), model.tokenizer(), prompts)

    return Architecture(
        build,
        model.preprocess(),
        classes=prompts.names,
        made=lambda module: own_weights(module, f"transformers {address}"),
        fixed=True,
        code=model.code,
    )


class TextEncoder:
    """The encoder of texts of `clip:PLACE`."""

    def __init__(self, address: str) -> None:
        model = HubModel("clip", address)
        self._network = _two_encoders(model)
        self._tokenizer = model.tokenizer()

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the unit vectors (n, D) of texts as they are."""
        with one_thread(), torch.inference_mode():
            return F.normalize(_embedded(self._network, self._tokenizer, texts), dim=1).numpy()

    def classes(self, prompts: PromptsRecord) -> np.ndarray:
        """Return the class weights (K, D) of prompts."""
        with one_thread():
            return _class_weights(self._network, self._tokenizer, prompts).numpy()


def _two_encoders(model: HubModel) -> Any:
    """Return the network with its weights; refuse one that does not embed images and texts."""
    network = None
    if hasattr(model.config, "text_config"):
        network = model.weights("AutoModel")
    if not hasattr(network, "logit_scale"):
        raise CurateError(f"{model.name} does not embed images and texts. Give CLIP, SigLIP or the like.")
    return network


def _class_weights(network: Any, tokenizer: Any, prompts: PromptsRecord) -> Tensor:
    """(K, D), each row of unit length."""
    texts = [text for name in prompts.names for text in prompts_of(name, prompts.templates)]
    with torch.inference_mode():
        parts = [_embedded(network, tokenizer, texts[at : at + _BATCH]) for at in range(0, len(texts), _BATCH)]
        vectors = F.normalize(torch.cat(parts), dim=1).unflatten(0, (len(prompts.names), len(prompts.templates)))
        return F.normalize(vectors.mean(dim=1), dim=1).clone()


def _embedded(network: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    # SigLIP was trained on texts padded to its longest; CLIP does not look at what follows the end.
    longest = network.config.text_config.max_position_embeddings
    tokens = tokenizer(list(texts), padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    return _tensor(network.get_text_features(**tokens))


def _tensor(output: Any) -> Tensor:
    """Return the embedding (n, D): transformers 5 returns it with the layers before it."""
    return output if isinstance(output, Tensor) else output.pooler_output

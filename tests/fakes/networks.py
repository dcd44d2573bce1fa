"""Tiny networks with random weights, saved as their libraries save them."""

import contextlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

_VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}


@contextlib.contextmanager
def _seeded() -> Any:
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stderr(io.StringIO()):
        torch.manual_seed(0)
        yield


def save_clip(folder: Path) -> Any:
    """A CLIP of 16 pixels whose tokens are letters; its tokenizer and image processor lie beside it."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    with _seeded():
        tokenizer = _letters(64)
        text = _text(tokenizer) | {"eos_token_id": tokenizer.eos_token_id}
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=_VISION, projection_dim=8)).eval()
        processor = CLIPImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 16, "width": 16})
        return _saved(folder, model, tokenizer, processor)


def save_siglip(folder: Path) -> Any:
    """A SigLIP of 16 pixels: a bias beside the scale, images squeezed to the square."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    with _seeded():
        tokenizer = _letters(32)
        model = SiglipModel(SiglipConfig(text_config=_text(tokenizer), vision_config=_VISION)).eval()
        nn.init.normal_(model.logit_scale)
        nn.init.normal_(model.logit_bias)
        return _saved(folder, model, tokenizer, SiglipImageProcessor(size={"height": 16, "width": 16}))


def save_vit(folder: Path, names: tuple[str, ...] = ("cat", "dog", "fox")) -> Any:
    """A vision transformer of 16 pixels that tells those classes apart."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    with _seeded():
        config = ViTConfig(**_VISION, id2label=dict(enumerate(names)), label2id={n: k for k, n in enumerate(names)})
        processor = ViTImageProcessor(size={"height": 16, "width": 16})
        return _saved(folder, ViTForImageClassification(config).eval(), processor)


def _text(tokenizer: Any) -> dict[str, Any]:
    longest = tokenizer.model_max_length
    same = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    sizes = {name: _VISION[name] for name in same}
    return sizes | {"vocab_size": len(tokenizer), "max_position_embeddings": longest}


def _letters(longest: int) -> Any:
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=longest)


def _saved(folder: Path, *parts: Any) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        part.save_pretrained(folder)
    return parts[0]

"""Networks of transformers: the numbers of their own models and processors, and nothing that a folder could run."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.hub import HubModel
from avhcurate.networks.models.loading import ModelSpec, find_architecture, load_model, new_model
from avhcurate.networks.models.names import ModelName
from avhcurate.networks.models.zero_shot import prompts_of
from tests.fakes.networks import save_clip, save_siglip, save_vit
from tests.fakes.refusals import refused

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

CLASSES = ("cat", "arctic_fox", "dog")
TEMPLATES = ("a photo of a {}", "a drawing of a {}")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders by kind, and the networks that were saved in them."""
    root = tmp_path_factory.mktemp("hub")
    saved = {"clip": save_clip, "siglip": save_siglip, "vit": save_vit}
    return {kind: (root / kind, save(root / kind)) for kind, save in saved.items()}


@pytest.fixture
def own_vit(folders, tmp_path):
    """A copy of the vision transformer's folder, and a way to change its JSON files."""
    folder = shutil.copytree(folders["vit"][0], tmp_path / "vit")

    def change(name, **values):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | values))
        return folder

    return change


def refusal(name, classes=None, **options):
    with pytest.raises(CurateError) as caught:
        load_model(ModelSpec(name=name, **options), num_classes=classes)
    return str(caught.value)


def wide_image():
    return np.random.default_rng(1).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def logits_of(model, rgb):
    """What the loaded model makes of an image, prepared by its own preprocessing."""
    preprocess = model.preprocess
    pixels = (preprocess.prepare(rgb) / 255 - preprocess.mean) / preprocess.std
    with torch.inference_mode():
        return model.module(torch.from_numpy(pixels).float().permute(2, 0, 1)[None])[0]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_zero_shot_logits_are_the_networks_own(kind, folders):
    """One template: images and texts through the tokenizer and the whole network of transformers."""
    folder, network = folders[kind]
    model = load_model(ModelSpec(name=f"clip:{folder}", class_names=CLASSES), num_classes=3)
    texts = ["a photo of a cat", "a photo of a arctic fox", "a photo of a dog"]
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding="max_length", return_tensors="pt")
    images = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        output = network(**tokens, pixel_values=images)
        torch.testing.assert_close(model.module(images), output.logits_per_image, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(model.class_weights, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.class_weights, torch.nn.functional.normalize(output.text_embeds), atol=1e-5)
    # A constant for all classes changes no probability.
    bias = network.logit_bias.item() if kind == "siglip" else 0
    np.testing.assert_allclose(model.bias, [bias] * 3, atol=1e-6)


def test_an_ensemble_is_the_mean_of_unit_vectors_of_unit_length_again(folders):
    name = f"clip:{folders['clip'][0]}"

    def weights(*templates):
        model = load_model(ModelSpec(name=name, class_names=CLASSES, prompts=templates))
        digests.add(model.weights_sha256)
        return model.class_weights.astype(np.float64)

    digests = set()
    mean = (weights(TEMPLATES[0]) + weights(TEMPLATES[1])) / 2
    np.testing.assert_allclose(weights(*TEMPLATES), mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("options", "classes", "named"),
    [
        ({"class_names": CLASSES, "prompts": ("a photo",)}, None, "put {} once where the class name goes"),
        ({"class_names": ()}, None, "Give at least two, each in order, as cat,dog"),
        ({"class_names": CLASSES}, 5, "--classes names 3 classes and the dataset has 5"),
        ({"class_names": CLASSES, "weights": "random"}, None, "leave --weights out"),
    ],
)
def test_a_zero_shot_model_says_what_it_lacks(folders, options, classes, named):
    assert named in refusal(f"clip:{folders['clip'][0]}", classes, **options)


def test_what_is_not_zero_shot_takes_no_prompts_and_what_is_learns_nothing(folders):
    assert "are for clip:NAME" in refusal("avhcurate:digits", prompts=TEMPLATES)
    assert "does not embed images and texts" in refusal(f"clip:{folders['vit'][0]}", class_names=CLASSES)
    with pytest.raises(CurateError, match="not trained"):
        new_model(ModelSpec(name=f"clip:{folders['clip'][0]}", class_names=CLASSES), 3)


def test_a_classifier_gives_its_own_logits_and_names(folders):
    folder, network = folders["vit"]
    model = load_model(ModelSpec(name=f"transformers:{folder}"), num_classes=3)
    rgb = wide_image()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        theirs = network(**processor(images=rgb, return_tensors="pt")).logits[0]
    assert torch.allclose(logits_of(model, rgb), theirs, atol=1e-3)
    assert (model.classes, model.head_name) == (("cat", "dog", "fox"), "classifier")
    np.testing.assert_array_equal(model.class_weights, network.classifier.weight.detach())


def test_a_classifier_is_trained_for_other_classes_from_its_weights(folders):
    folder, network = folders["vit"]
    new = new_model(ModelSpec(name=f"transformers:{folder}"), 5, pretrained=True)
    assert new.new_head
    assert new.module(torch.zeros(1, 3, 16, 16)).logits.shape == (1, 5)
    kept = new.module.get_submodule("vit").state_dict()
    assert all(torch.equal(kept[name], value) for name, value in network.vit.state_dict().items())


def test_another_class_count_is_refused_and_made_up_names_are_none(own_vit):
    folder = own_vit("config.json", id2label={str(k): f"LABEL_{k}" for k in range(3)})
    assert load_model(ModelSpec(name=f"transformers:{folder}")).classes is None
    assert "has 3 classes and the dataset has 7" in refusal(f"transformers:{folder}", 7)
    assert prompts_of("{0.__class__}", ["a photo of a {}"]) == ["a photo of a {0.  class  }"]


def test_a_configuration_cannot_have_code_fetched_or_run(own_vit):
    """Neither a repository's kernels for the attention, nor classes of its own beside the weights."""
    folder = own_vit("config.json", attn_implementation="someone/kernel")
    (folder / "evil.py").write_text("raise SystemExit('this was run')")
    assert load_model(ModelSpec(name=f"transformers:{folder}")).classes
    own_vit("config.json", model_type="unheard-of", auto_map={"AutoConfig": "evil.Config"})
    assert "is not available" in refusal(f"transformers:{folder}")


def test_weights_that_would_run_code_are_refused(own_vit, tmp_path):
    folder = own_vit("config.json")
    (folder / "model.safetensors").unlink()

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    torch.save({"vit.layernorm.weight": Evil()}, folder / "pytorch_model.bin")
    assert "The network of" in refusal(f"transformers:{folder}")
    assert not (tmp_path / "touched").exists()


def test_a_head_that_the_weights_do_not_hold_is_never_drawn_at_random(own_vit):
    from safetensors.torch import load_file, save_file

    file = own_vit("config.json") / "model.safetensors"
    tensors = {name: tensor for name, tensor in load_file(file).items() if not name.startswith("classifier.")}
    save_file(tensors, file, metadata={"format": "pt"})
    message = refusal(f"transformers:{file.parent}")
    assert re.search(r"lacks 2 weights of a ViTForImageClassification \(classifier.bias, classifier.weight\)", message)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"do_center_crop": True, "size": {"height": 20, "width": 20}, "crop_size": {"height": 16, "width": 16}}, 20),
        ({"do_normalize": False, "do_rescale": True}, 16),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]}, 16),
        ({"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 28}, "crop_pct": 0.875}, 32),
    ],
)
def test_an_image_processor_is_followed(own_vit, changes, expected):
    preprocess = HubModel("transformers", str(own_vit("preprocessor_config.json", **changes))).preprocess()
    assert preprocess.resize == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"size": {"height": 16, "width": 24}},
        {"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": True, "rescale_factor": 1 / 127.5},
        {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 16}, "do_center_crop": True},
    ],
)
def test_a_processor_that_does_more_is_refused(own_vit, changes):
    kind = changes.get("image_processor_type", "ViTImageProcessor")
    with refused(kind, Option("resize"), Option("crop"), Option("mean"), Option("std")):
        HubModel("transformers", str(own_vit("preprocessor_config.json", **changes))).preprocess()


def test_a_folder_whose_configuration_is_edited_is_another_network(own_vit):
    before, after = (
        find_architecture(ModelName.of(f"transformers:{own_vit('config.json', hidden_act=name)}")).code
        for name in ("gelu", "relu")
    )
    assert list(before) == list(after) == ["config.json"]
    assert before != after

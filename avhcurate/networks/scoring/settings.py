"""The options of the verbs that make a run: score and attach."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.data.settings import VerbSettings, option

if TYPE_CHECKING:
    from avhcurate.networks.models.loading import ModelSpec


class ScoreSettings(VerbSettings):
    """Run a model over a dataset and store every score; the same call again resumes.

    >>> ScoreSettings(dataset="pets", model="avhcurate:digits", head="fit", folds=3).argv
    ['score', 'pets', '--model=avhcurate:digits', '--head=fit', '--folds=3']
    """

    verb = "score"
    dataset: str = option(help="The dataset.", argument=True)
    model: str = option(
        help="torchvision:NAME, timm:NAME, efficientnet-lite0/1/2, avhcurate:NAME, transformers:FOLDER-or-HUB, "
        "clip:FOLDER-or-HUB (zero-shot, by class names), onnx:FILE or PACKAGE.MODULE:FACTORY."
    )
    weights: str | None = option(
        None, "Safetensors file or checkpoint; 'random' for untrained weights.", usual="the published ones"
    )
    prompt: tuple[str, ...] = option((), "For clip: a prompt, as 'a photo of a {}'; repeated, their mean.", repeat=True)
    classes: tuple[str, ...] = option(
        (), "For clip: names in order, as cat,dog or a file.", usual="the dataset's classes"
    )
    head: str | None = option(
        None,
        "Name of the last linear layer; 'fit' fits linear heads on the input of that layer, 'fit:LAYER' on the input "
        "of LAYER.",
        usual="found",
        label="Last layer",
        words={"": "The model's own", "fit": "Fit one for these classes"},
    )
    groups: str | None = option(None, "Of fitted heads, a column whose values share a fold, or `auto`: bursts.")
    folds: int | None = option(None, "Of fitted heads, how many folds.", low=2, high=50, usual="5")
    seed: int | None = option(None, "Of fitted heads, random seed of the folds.", usual="0")
    lock: bool = option(
        True,
        "Before the first heads are fitted to 200 labels or more, lock a fifth, by which Payoff tells later whether "
        "decisions helped.",
        label="Lock a fifth first",
    )
    classes_from_model: bool = option(
        False, "Take the rows of the model's head that are the dataset's classes by name."
    )
    resize: int | None = option(None, "Shorter side in pixels.", usual="the model's")
    crop: int | None = option(None, "Side of the centre crop in pixels.", usual="the model's")
    mean: tuple[float, ...] = option((), "One or three numbers, as 0.5 or 0.5,0.5,0.5.", usual="the model's")
    std: tuple[float, ...] = option((), "As the mean.", usual="the model's")
    device: str = option("auto", "auto, cpu, cuda or mps.")
    precision: str = option(
        "auto", "float32, bfloat16, float16 or, on an NVIDIA GPU, tf32; auto is tf32 there, float32 elsewhere."
    )
    batch_size: int | None = option(None, "Images in a forward pass.", low=1, usual="chosen")
    limit: int | None = option(None, "Score only so many images, spread evenly.", low=1, usual="all")
    engine: Literal["local", "ray"] = option(
        "local", "Run in this process, or on a Ray cluster (RAY_ADDRESS).", label="Where"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        of_heads = (self.groups, self.folds, self.seed) != (None, None, None)
        if of_heads and not (self.head or "").startswith("fit"):
            raise CurateError(
                f"{Option('groups')}, {Option('folds')} and {Option('seed')} belong to fitted heads.",
                fix=f"Add {Option('head', 'fit')}",
            )
        return self

    def spec(self, layer: str | None) -> "ModelSpec":
        """Return what is said about the model; `layer` is its last linear layer, None to find it."""
        from avhcurate.networks.models.loading import ModelSpec

        return ModelSpec(
            name=self.model,
            weights=self.weights,  # type: ignore[arg-type]
            head=layer,
            resize=self.resize,
            crop=self.crop,
            mean=self.mean or None,
            std=self.std or None,
            prompts=self.prompt,
            class_names=self.classes,
        )


class AttachSettings(VerbSettings):
    """Attach embeddings, class weights, logits or probabilities as a run; the same call again resumes.

    Files are .npy, .npz, safetensors or Parquet.
    """

    verb = "attach"
    dataset: str = option(help="The dataset.", argument=True)
    features: str = option("", "Embeddings (N, D): FILE, or FILE:NAME.")
    class_weights: str = option("", "Weight (K, D) of the last linear layer, for AVH.")
    bias: str = option("", "Its bias (K,).")
    logits: str = option("", "Logits (N, K).")
    probs: str = option("", "Probabilities (N, K), in place of logits.")
    by: str = option("order", "Which image a row is: order of id, path, or a column that both sides have.")
    rows: str = option("", "Table with a row for each row, where the file holds only numbers.")
    classes: tuple[str, ...] = option(
        (), "Class names in the order of K, as cat,dog or a file.", usual="that of the dataset"
    )
    name: str | None = option(None, "Name of the run.", usual="that of the file")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if not (self.features or self.logits or self.probs):
            raise CurateError(
                "There is nothing to attach.", fix=f"Give {Option('features')}, {Option('logits')} or {Option('probs')}"
            )
        if self.logits and self.probs:
            raise CurateError(f"Give {Option('logits')} or {Option('probs')}, not both: one follows from the other.")
        if self.class_weights and not self.features:
            raise CurateError(f"{Option('class_weights')} score embeddings, so give {Option('features')} too.")
        if self.bias and not self.class_weights:
            raise CurateError(f"{Option('bias')} belongs to {Option('class_weights')}. Give both.")
        return self

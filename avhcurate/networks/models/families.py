"""From a model's name to its architecture, by its family."""

from avhcurate.errors import CurateError
from avhcurate.networks.models import extras, torchvision_zoo
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.factory import factory, of_plugin
from avhcurate.networks.models.hub import hub_classifier
from avhcurate.networks.models.names import FACTORY, FORMS, PLUGINS, ModelName, refuse_unknown
from avhcurate.networks.models.onnx_file import onnx_classifier
from avhcurate.networks.models.own import OWN
from avhcurate.networks.models.zero_shot import TEMPLATES, zero_shot
from avhcurate.workspace.data.runs import PromptsRecord

_MAKERS = {"timm": extras.timm_architecture, "transformers": hub_classifier, "onnx": onnx_classifier, FACTORY: factory}


def find_architecture(
    name: ModelName, *, sha256: str | None = None, prompts: PromptsRecord | None = None
) -> Architecture:
    """Return the network of a name; `sha256` is that of the weights file, by which a published one is recognised.

    `prompts` tell a zero-shot network its classes. Names are those of `names.FORMS`. Raises CurateError with near
    matches for any other.
    """
    family = name.family
    place = name.place
    if name.text in extras.EFFICIENTNET_LITE:
        return extras.efficientnet_lite(place)
    if family == "torchvision" and place in torchvision_zoo.names():
        return torchvision_zoo.architecture(place, sha256=sha256)
    if family == "avhcurate" and place in OWN:
        return OWN[place]()
    if family == "clip":
        return zero_shot(place, prompts or PromptsRecord(templates=TEMPLATES, names=()))
    if family in _MAKERS:
        return _MAKERS[family](place)
    if family in PLUGINS:
        return of_plugin(name)
    refuse_unknown(name)
    raise CurateError(f"The installed torchvision has no {name.text!r}. Give one of {FORMS}.")

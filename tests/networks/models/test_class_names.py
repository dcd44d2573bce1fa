"""Rows of a published head by the names of a dataset's classes: names, synset ids, and what is refused."""

import pytest
from torchvision.models import ResNet18_Weights

from avhcurate.errors import CurateError
from avhcurate.networks.models.class_names import imagenet_classes, rows_of_classes

NAMES = imagenet_classes()


def test_names_and_synset_ids_give_the_rows_of_imagenet():
    assert rows_of_classes(["n15075141"], NAMES, model="net") == [999]
    classes = ["n01440764", "Great White Shark", "crane_bird", "n03126707"]
    assert [NAMES[row] for row in rows_of_classes(classes, NAMES, model="net")] == [
        "tench",
        "great white shark",
        "crane bird",
        "crane",
    ]


@pytest.mark.parametrize(
    ("classes", "names", "message"),
    [
        (["goldfish", "zebrafish"], NAMES, r"1 of the dataset's 2 classes are not among the 1000 of net .*zebrafish"),
        (["cardigan", "goldfish"], NAMES, "cardigan"),  # a dog and a garment
        (["goldfish", "n01443537"], NAMES, "Two classes of the dataset are one class of net"),
        (["n01443537"], ("cat", "dog"), "not among the 2 of net"),
        (["goldfish"], None, "have no names"),
    ],
)
def test_names_that_do_not_tell_are_refused(classes, names, message):
    with pytest.raises(CurateError, match=message):
        rows_of_classes(classes, names, model="net")


def test_imagenets_names_are_those_that_torchvisions_networks_give():
    assert imagenet_classes() == tuple(ResNet18_Weights.DEFAULT.meta["categories"])

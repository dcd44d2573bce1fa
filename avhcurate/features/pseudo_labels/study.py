"""Which images self-training may use, and with which label, as a function of arrays."""

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.features.pseudo_labels.rules import ANGULAR, RULES, Rule, Selection, gate_of, select


def pseudo_labels(
    logits: ArrayLike,
    features: ArrayLike | None = None,
    class_weights: ArrayLike | None = None,
    *,
    rule: Rule = "avc",
    portion: float = 0.2,
) -> Selection:
    """Return class-balanced pseudo-labels of N images without labels: those of a network that a rule trusts.

    logits: (N, K), or log-probabilities; images whose logits are NaN are never selected. features, class_weights:
    (N, D) input of the last linear layer and (K, D) its weights, which rules by angle need; an image whose embedding is
    not finite has no angle. portion: the share of the images predicted as each class that is trusted, in (0, 1]; their
    lowest probability, or AVC, is the threshold of the class.

    rule: `confidence` trusts by softmax probability (CBST, Zou et al. 2018, https://doi.org/10.48550/arXiv.1810.07911),
    `avc` by angular visual confidence, pi less the angle to the class over the sum of these (Chen et al. 2020, on
    self-training, https://doi.org/10.48550/arXiv.1912.02279), `avc-centred` by that of embeddings and weights less
    their means (ours), `lrent` and `mrkld` as `confidence` with regularised targets (CRST, Zou et al. 2019,
    https://doi.org/10.48550/arXiv.1908.09822), and `avc-lrent` and `avc-mrkld` as `avc` with these. The label is the
    class whose probability is largest as a multiple of its threshold.

    Raises CurateError for an unknown rule, a portion out of its range, a rule by angle without embeddings and weights,
    shapes that do not fit, and no image.

    >>> probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    >>> found = pseudo_labels(np.log(probs), rule="confidence", portion=0.4)
    >>> found.table()["pseudo_label"].to_list(), found.lambdas.round(2).tolist()
    ([0, <NA>, <NA>, 1], [0.9, 0.6])
    """
    outputs = np.asarray(logits)
    if outputs.ndim != 2:
        raise CurateError(f"logits has the shape {outputs.shape}. Give (N, K).")
    if features is None or class_weights is None:
        if gate_of(rule) in ANGULAR:
            others = ", ".join(name for name, spec in RULES.items() if spec.gate not in ANGULAR)
            raise CurateError(f"The rule {rule} needs features and class_weights. Give both, or choose from {others}.")
        return select(lambda: [(outputs, np.full(outputs.shape, np.nan))], rule=rule, portion=portion)
    embeddings = np.asarray(features)
    weights = np.asarray(class_weights)
    if (len(embeddings), len(weights)) != outputs.shape or embeddings.shape[1:] != weights.shape[1:]:
        raise CurateError(
            f"features {embeddings.shape} and class_weights {weights.shape} do not fit logits {outputs.shape}. "
            "Give (N, D) and (K, D) with (N, K)."
        )
    known = ModelOutputs(embeddings, weights, np.zeros(len(weights)), logits=outputs.__getitem__)
    return known.select(rule=rule, portion=portion)

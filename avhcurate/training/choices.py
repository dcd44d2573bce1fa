"""Names that a training chooses from; nothing here needs torch."""

LOSSES = ("softmax", "avh", "cosine")
SCHEDULES = ("one-cycle", "step", "cosine", "constant")
PRECISIONS = ("float32", "bfloat16", "float16")

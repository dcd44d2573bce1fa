"""Names that a training chooses from; nothing here needs torch."""

from typing import Literal, get_args

Loss = Literal["softmax", "avh", "cosine"]
Schedule = Literal["one-cycle", "step", "cosine", "constant"]
Precision = Literal["float32", "bfloat16", "float16"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

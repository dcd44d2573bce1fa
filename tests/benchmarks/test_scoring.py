"""The benchmark of scoring: the limit of parts that share the cores, and slices with parts measured beside them."""

import pytest

from benchmarks.scoring import TOGETHER, PacedEngine, Slice, Speed
from tests.fakes.shard_work import SlowWork


def test_parts_share_the_cores_and_on_a_gpu_the_slower_one_bounds() -> None:
    measured = Slice({"forward": Speed(30, 10), "decode": Speed(60, 5)}, Speed(19, 16))
    assert measured.limit(on_gpu=False) == Speed(pytest.approx(20), 15)
    assert measured.limit(on_gpu=True) == Speed(30, 15)


def test_each_slice_is_compared_with_parts_measured_just_before_it() -> None:
    rates = iter([10.0, 10.0, 20.0, 20.0])
    engine = PacedEngine("torch", {part: lambda: Speed(next(rates), 1.0) for part in ("forward", "decode")})
    work = SlowWork(2 * TOGETHER, 0.01)
    done = [step.result.shard for step in engine.steps(work, work.shards) if step.result]
    assert done == list(work.shards)
    assert [slice.limit(on_gpu=False).rate for slice in engine.slices] == [5.0, 10.0]
    assert all(0 < slice.scoring.rate <= 1000 for slice in engine.slices)
    assert engine.shares(on_gpu=False)[1].endswith("%)")

"""What a log says of long work."""

import time

from avhcurate.workspace.data.terminal import terminal_reports
from avhcurate.workspace.disk.jobs import Jobs


def test_a_log_has_a_line_now_and_then_and_one_at_once_where_the_work_turns_to_something_else(
    tmp_path, capsys, monkeypatch
):
    now, since_start = time.time(), time.monotonic()
    jobs = Jobs(tmp_path)
    with (
        terminal_reports() as show,
        jobs.running(jobs.create("score", "pets", []), on_report=show) as progress,
    ):
        reports = [
            (0, 640, ""),
            (16, 640, ""),
            (32, 640, "a worker was lost; its part begins again"),
            (48, 640, "a worker was lost; its part begins again"),
            (64, 640, "a worker was lost; its part begins again"),
            (0, 6, "0 of 6 heads fitted"),
            (1, 6, "1 of 6 heads fitted"),
        ]
        for number, report in enumerate(reports):
            monkeypatch.setattr(time, "time", lambda number=number: now + 4 * number)
            monkeypatch.setattr(time, "monotonic", lambda number=number: since_start + 4 * number)
            progress.tell(*report)
    assert capsys.readouterr().err.splitlines() == [
        "score pets: 32 of 640, 4 a second, 2 min 32 s left, a worker was lost; its part begins again",
        "score pets: 0 of 6, 0 of 6 heads fitted",
        "score pets: 1 of 6, 20 s left, 1 of 6 heads fitted",
    ]

"""How many labels of a dataset are wrong at most, by blind looks."""

import os
from pathlib import Path
from typing import Any

from avhcurate.notebook.opened import OpenedDataset


class CertifiedDataset(OpenedDataset):
    """A dataset whose labels are certified."""

    def certify(
        self,
        at_most: float | None = None,
        *,
        confidence: float = 0.95,
        where: str = "",
        again: bool = False,
        next: int | None = None,
        checks: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Return how many labels are wrong at most, as shares: `low, high, estimate, looks, verdict, drawn, ...`.

        `at_most` plans a certificate by a confidence, `next` draws so many images to look at (`drawn`, their paths),
        and `checks` is a file of answers. Raises CurateError before a plan, and for images that were not drawn.

        >>> import avhcurate
        >>> found = avhcurate.example(fresh=True).certify(0.1, next=20)
        >>> found["population"], found["looks"], found["verdict"], len(found["drawn"])
        (120, 0, 'not reached', 20)
        """
        from avhcurate.datasets.curate.certificate import certificate
        from avhcurate.features.certificate import service

        opened = self.opened
        if at_most is None:
            folder = service.current(opened.decisions)
        else:
            options: dict[str, Any] = {"at_most": at_most, "confidence": confidence, "where": where, "again": again}
            folder = service.plan(opened.decisions, opened.votes, **options)
        if checks is not None:
            service.take_answers(opened.decisions, folder, Path(checks))
        drawn: list[str] = []
        if next is not None:
            drawn = list(service.draw(opened.decisions, folder, next))
        return certificate(opened.decisions, folder).result() | {"drawn": drawn}

"""The verb certify: how many labels are wrong at most, by blind looks."""

from pathlib import Path
from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.errors import CurateError
from avhcurate.features.certificate.settings import CertifySettings

if TYPE_CHECKING:
    from avhcurate.datasets.curate.certificate import Certificate
    from avhcurate.datasets.curate.certificate_plan import CertificateFolder
    from avhcurate.datasets.table.open_dataset import OpenDataset


@options.verb(CertifySettings, group="Data", table=True)
def certify(settings: CertifySettings) -> None:
    from avhcurate.datasets.curate.certificate import certificate
    from avhcurate.features.certificate import service

    opened = options.run_table(settings.dataset)
    if settings.verify is not None:
        options.check_alone(
            "--verify", {"--next": settings.next, "--checks": settings.checks, "--again": settings.again}
        )
        _verify(opened, settings.verify)
        return
    folder = _planned(opened, settings)
    if settings.checks is not None:
        new, before = service.take_answers(opened.decisions, folder, settings.checks)
        options.print_messages([f"{new:,} answers taken"] + [f"{before:,} were there already"] * bool(before))
    rows = None
    if settings.next is not None:
        rows = _drawn(opened, folder, settings.next)
    found = certificate(opened.decisions, folder)
    if settings.badge is not None:
        service.write_badge(found, settings.badge)
    drawn = []
    if rows is not None:
        drawn = [row["path"] for row in rows]
    if not options.printed(found.result() | {"drawn": drawn}, rows):
        _say(opened, found, rows)


def _planned(opened: "OpenDataset", settings: CertifySettings) -> "CertificateFolder":
    """Return the certificate that is meant: what is planned now, or the newest one."""
    from avhcurate.features.certificate import service

    if settings.at_most is None:
        if settings.again or settings.where:
            raise CurateError("Say how many labels may be wrong: --at-most 0.02.")
        return service.current(opened.decisions)
    return service.plan(
        opened.decisions,
        opened.votes,
        at_most=settings.at_most,
        confidence=settings.confidence,
        where=settings.where,
        again=settings.again,
    )


def _drawn(opened: "OpenDataset", folder: "CertificateFolder", count: int) -> list[dict[str, object]]:
    """Draw, and return a row an image in the order of the draw, without its label."""
    from avhcurate.features.certificate import service

    paths = service.draw(opened.decisions, folder, count)
    ids = service.ids_of(opened.decisions, paths)
    return [{"id": ids[path], "path": path} for path in paths if path in ids]


def _say(opened: "OpenDataset", found: "Certificate", rows: list[dict[str, object]] | None) -> None:
    from avhcurate.datasets.curate import certificate_texts as texts
    from avhcurate.features.certificate.service import expectations

    name = opened.samples.name
    print(f"{name}: {texts.sentence(found)}")
    if rows is not None:
        print(f"{len(rows):,} images are drawn: name the class that each shows, without its label")
    if not found.looks and not found.exact:
        print(texts.expected(found.record, expectations(found.record)))
        options.print_next([["certify", name, "--next", "50", "--out", "ids.csv"]])
        return
    for line in (texts.verdict(found), *texts.notes(found)):
        print(line)
    if found.classes:
        options.print_table(list(found.classes))
        print(f"Bounds of classes hold all at once ({100 * found.record.confidence:g} %), for labels not decided.")


def _verify(opened: "OpenDataset", file: Path) -> None:
    from avhcurate.datasets.curate import certificate_texts as texts
    from avhcurate.features.certificate import service

    found, differs = service.verify(opened.decisions, file)
    if differs:
        raise CurateError(differs + ".")
    options.print_result(found.result(), f"{file.name} agrees with the history: {texts.sentence(found)}")

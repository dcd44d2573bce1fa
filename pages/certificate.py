"""Certificate: how many labels are wrong at most, by blind looks at some that are drawn by chance."""

from avhcurate.datasets.curate.certificate_plan import newest_certificate
from avhcurate.features.certificate import ui as certificate_ui
from avhcurate.ui.base import frame
from avhcurate.ui.shell.page_header import open_page

page = open_page(
    "Certificate",
    "How many labels are wrong at most: you name what some images show, drawn by chance and without their label.",
    frame.with_data,
    votes=False,
    terms=[],
)
if newest_certificate(page.dataset) is None:
    certificate_ui.offer_plan(page)
else:
    certificate_ui.show(page)

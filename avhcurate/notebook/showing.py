"""How a dataset is looked at: the figures of the app, its grid of images, and its pages."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from avhcurate.datasets.table.filters import Filters
from avhcurate.notebook.opened import OpenedDataset, filters_of
from avhcurate.notebook.plots import Plots
from avhcurate.workspace.data.terminal import in_notebook

if TYPE_CHECKING:
    from IPython.display import IFrame

    from avhcurate.notebook.grid import SampleGrid


class ShownDataset(OpenedDataset):
    """A dataset that is shown."""

    @property
    def plot(self) -> Plots:
        """Return what draws the figures of the app: `correlation`, `map`, `disagreement` and `training`."""
        return Plots(self)

    def gallery(
        self, where: str | Filters | None = None, *, sort: str | None = None, height: int | None = None
    ) -> "SampleGrid | IFrame | str":
        """Show the images in the app's grid: scroll, select, tag, label, exclude and undo by keys; `?` lists them.

        `where` filters them, `sort` is a column, whose hard end comes first (AVH), `height` is in pixels. `ids` of what
        is returned are the selected images. No server is started: rows and thumbnails are messages of the kernel. Where
        the package anywidget is missing, and outside a notebook, it is `show("gallery")`. Raises CurateError where no
        image is left.

        >>> import avhcurate
        >>> grid = avhcurate.example().gallery("hsf < 0.5")  # doctest: +SKIP
        >>> avhcurate.example().tag(grid.ids, "look again")  # doctest: +SKIP
        2
        """
        if not in_notebook() or find_spec("anywidget") is None:
            return self.show("gallery", where=where, height=height)
        from avhcurate.notebook.grid import SampleGrid

        return SampleGrid(self, filters_of(where), sort=sort, height=height or 480)

    def show(
        self, page: str | None = None, *, where: str | Filters | None = None, height: int | None = None
    ) -> "SampleGrid | IFrame | str":
        """Show the `gallery`, or a page of the app on this dataset and run: as a frame, outside a notebook its address.

        `page`: home, gallery, map, disagreement, correlation, suspects, ...; `where` filters it. The first call starts
        a server for the workspace on a free port of this machine, which ends with this process. Raises CurateError for
        an unknown page, and where the app cannot start.

        >>> import avhcurate
        >>> avhcurate.example().show("map")  # doctest: +SKIP
        'http://127.0.0.1:40123/map?dataset=digits&run=avhcurate-digits-6e9d7d43'
        """
        if page is None:
            return self.gallery(where, height=height)
        from avhcurate.notebook.server import app_address, in_frame

        query = {"dataset": self.name} | filters_of(where).to_query()
        if run := self._run_name():
            query["run"] = run
        return in_frame(app_address(self.workspace, page, query), height or 800)

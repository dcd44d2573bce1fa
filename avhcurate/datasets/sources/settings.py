"""The options of import, fetch, columns and demo."""

from avhcurate.workspace.data.settings import VerbSettings, option
from avhcurate.workspace.disk.app_files import added_pages


class ImportSettings(VerbSettings):
    """Import images with their labels; nothing is written next to them. The same call resumes a download."""

    verb = "import"
    dataset: str = option(help="Name of the new dataset.", argument=True)
    source: str = option(
        help="A folder of classes (also below train, val and test: splits) or a CSV, JSON lines or Parquet manifest, "
        "here or at s3://, gs://, az://, https:// or hf://; Parquet with images, a COCO file (.json), list:FILE (lines "
        "of path and class index), wds:PATTERN (tar shards), or hf:REPO[@REVISION][:CONFIG/SPLIT].",
        argument=True,
    )
    label_column: str | None = option(None, "Column of the labels.", usual="found")
    image_column: str | None = option(None, "Column of the images or their paths.", usual="found")
    split_column: str | None = option(None, "Column of the splits.", usual="found")
    votes: tuple[str, ...] = option(
        (), "A file of human votes, or the column with them; may be repeated for several files.", repeat=True
    )
    root: str | None = option(
        None, "Folder or address that relative paths start from.", usual="that of the list or manifest"
    )
    classes: str | None = option(
        None,
        "Class names in order of their index: as cat,dog, a file with one name per line, or visda17. Of images without "
        "labels, those that people may vote for.",
    )
    force: bool = option(False, "Replace the dataset; votes and what people decided are kept.")


class ReviewSettings(VerbSettings):
    """Find wrong labels in photos: import them, score them with fitted heads, and open the app at the first suspect.

    The same call again goes on where it stopped. Photos of fewer than two classes get a map in place of suspects.

    >>> ReviewSettings(source="photos", dataset="pets").argv
    ['review', 'photos', '--dataset=pets']
    """

    verb = "review"
    source: str = option(help="What import takes, mostly a folder with a sub-folder a class.", argument=True)
    dataset: str | None = option(None, "Name of the dataset.", usual="that of the source")
    model: str | None = option(None, "The network, as for score.", usual="one that is on this machine")
    lock: bool = option(
        True,
        "Of 200 labelled photos or more, lock a fifth before the first score, by which Payoff tells later whether "
        "decisions helped.",
        label="Lock a fifth first",
    )
    force: bool = option(False, "Import photos anew that have changed; votes and what people decided are kept.")


class FetchSettings(VerbSettings):
    """Download a public dataset, verify its checksums and import it with its votes; the same call resumes."""

    verb = "fetch"
    dataset: str | None = option(None, "Its name; without one, the names are listed.", argument=True)
    mirror: str | None = option(None, "Folder or address with the files, in place of the official ones.")
    yes: bool = option(False, "Agree to the licence and the size without being asked.")
    force: bool = option(False, "Replace the dataset, and take files that have changed since they were first fetched.")


class ColumnsSettings(VerbSettings):
    """List your own columns of a dataset, and say which end of them is harder; it is kept with the dataset."""

    verb = "columns"
    dataset: str = option(help="The dataset.", argument=True)
    harder: tuple[str, ...] = option(
        (), "COLUMN=high, low or none: which end of a column means a harder image; may be repeated.", repeat=True
    )


#: Steps of the full demo for the pages of plugins; those of the first pages come last, since trainings make new runs.
ADDED = [step for page in reversed(added_pages().values()) for step in page.steps]
#: Seconds of each step of the full demo on two quiet cores: by them is told how far it is, and what it takes yet.
SECONDS = {"Digits": 4, "Quality": 7, "Suspects": 2, "Predicted HSF": 14, "Map": 30}
SECONDS |= {title: seconds for title, seconds, _ in ADDED}


class DemoSettings(VerbSettings):
    """Import, score and attach simulated votes to the embedded handwritten digits; --full computes the rest too.

    The same call again resumes: finished steps are not repeated.
    """

    verb = "demo"
    full: bool = option(False, "Also trainings, predicted HSF, self-training, map, suspects, quality and degradation.")
    photos: bool = option(
        False,
        "Real photos in place of the digits, a twentieth of them labelled wrong on purpose: downloads them, asked.",
    )
    yes: bool = option(False, "Agree to the licence and the size of the photos without being asked.")

    @property
    def subject(self) -> str:
        """The embedded digits, or the photos."""
        if self.photos:
            return "imagenette"
        return "digits"

"""Photographs as a camera writes them, with EXIF."""

import io
from fractions import Fraction

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational


def photo(grey: int, *, taken: str = "", north: tuple[int, ...] = (), east: tuple[int, ...] = ()) -> bytes:
    """A JPEG that says when it was taken, as "2024:05:01 12:30:00", and where, in degrees, minutes and seconds.

    Negative degrees lie in the south or west.
    """
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    if taken:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    if north:
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        for tag, reference, letters, angle in (
            (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "NS", north),
            (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "EW", east),
        ):
            place[reference] = letters[angle[0] < 0]
            place[tag] = tuple(IFDRational(Fraction(abs(part))) for part in angle)
    stream = io.BytesIO()
    Image.new("RGB", (4, 3), (grey, grey, grey)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()

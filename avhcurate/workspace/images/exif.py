"""What a camera has written into a file: when and where a photo was taken, and by which camera."""

import math
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image

from avhcurate.workspace.images.decoding import open_image


class Exif(NamedTuple):
    """`taken` by the clock of the camera; degrees north and east, NaN where unknown; maker and model of the camera."""

    taken: datetime | None = None
    latitude: float = math.nan
    longitude: float = math.nan
    camera: str = ""


def read_exif(file: Path | str) -> Exif:
    """Return what an image file of this machine says; nothing for one without EXIF, or that is damaged."""
    try:
        with open(file, "rb") as stream, open_image(stream) as image:
            # Not a PNG's own method, which decodes the whole image.
            return _read(Image.Image.getexif(image))
    except Exception:  # a damaged file makes Pillow raise almost anything
        return Exif()


def _read(exif: Image.Exif) -> Exif:
    if not exif:
        return Exif()
    taken = None
    with suppress(ValueError):
        text = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
        taken = datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    latitude = _degrees(place.get(ExifTags.GPS.GPSLatitude), place.get(ExifTags.GPS.GPSLatitudeRef) == "S", 90)
    longitude = _degrees(place.get(ExifTags.GPS.GPSLongitude), place.get(ExifTags.GPS.GPSLongitudeRef) == "W", 180)
    if math.isnan(latitude + longitude):
        latitude = longitude = math.nan
    camera = f"{exif.get(ExifTags.Base.Make)} {exif.get(ExifTags.Base.Model)}"
    return Exif(taken=taken, latitude=latitude, longitude=longitude, camera=camera)


def _degrees(parts: object, negative: bool, most: int) -> float:
    """Return degrees of degrees, minutes and seconds; NaN for what is none.

    >>> _degrees((52, 30, 36), False, 90), _degrees((181, 0, 0), True, 180)
    (52.51, nan)
    """
    try:
        degrees, minutes, seconds = map(float, parts)  # type: ignore[call-overload]
    except (TypeError, ValueError, ZeroDivisionError):
        return math.nan
    value = degrees + minutes / 60 + seconds / 3600
    if not 0 <= value <= most:
        return math.nan
    if negative:
        return -value
    return value

"""The sounds of an S3 bucket, one after the other in any order: the twimlet that is asked while people wait.

Pure: the listing is fetched by routes.py. Source: twimlets.md of the specification, holdmusic.
"""

import re
from collections.abc import Callable
from html import unescape
from typing import Final
from urllib.parse import quote

from gateway.twimlets.markup import element, message, response

SUFFIXES: Final = (".mp3", ".wav", ".ul")
MAX_SOUNDS: Final = 100
_KEY = re.compile(r"<Key>([^<]{1,1024})</Key>")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def bucket_url(bucket: str) -> str | None:
    """Where the bucket lists what it holds: by its name on Amazon's S3, or its URL anywhere; None if neither."""
    if bucket.lower().startswith(("http://", "https://")):
        return bucket.rstrip("/") + "/"
    return f"https://s3.amazonaws.com/{bucket}/" if _BUCKET.fullmatch(bucket) else None


def hold_music(listing: str, base_url: str, told: str, shuffle: Callable[[list[str]], None]) -> bytes:
    """listing: what the bucket answered. told: a message between the sounds, may be empty."""
    sounds = [unescape(key) for key in _KEY.findall(listing)]
    sounds = [key for key in sounds if key.lower().endswith(SUFFIXES)][:MAX_SOUNDS]
    shuffle(sounds)
    verbs = []
    for key in sounds:
        verbs.append(element("Play", base_url + quote(key)))
        if told:
            verbs.append(message(told))
    return response(*verbs)

"""``ringfork demo``: a whole recorded call on loopback, with real processes, checked by ear."""

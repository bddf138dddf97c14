"""What runs on the media thread: compiled, without the GIL, over arrays that belong to it.

Decides nothing that a caller of the engine sees by name; media/engine.py and media/port.py are the doors. numba is
imported below this package only. layout.py says which side writes what.
"""

"""From <Say> to what an engine is told: its markup, read out (markup.py), and numbers, dates and units (say_as.py)."""

"""Who is there and how to reach them: every party becomes a Leg. Imports media, never gateway."""

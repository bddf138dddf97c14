"""Client endpoints without a screen, each in a process of its own."""

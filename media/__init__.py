"""The sound: engine, codecs, tones, players, recorder. Imports neither signaling nor gateway."""

"""A call's sound over a WebSocket: protocol.py says what is written and understood, stream.py moves the sound.

Source: Twilio Media Streams, WebSocket messages; Twilio <Stream>.
"""

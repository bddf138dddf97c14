"""The Voice SDK side: browsers with the unmodified @twilio/voice-sdk register, are called and call."""

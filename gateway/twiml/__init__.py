"""TwiML: documents of an application as typed values, with Twilio's codes for what is wrong with them.

``parse`` makes a ``model.Document`` of bytes or raises ``TwimlError``. Pure; nothing here runs a verb.
"""

from gateway.twiml.parse import parse
from gateway.twiml.problems import Level, Position, Problem, TwimlError
from gateway.twiml.urls import resolve_url

__all__ = ["Level", "Position", "Problem", "TwimlError", "parse", "resolve_url"]

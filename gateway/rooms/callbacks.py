"""What the status callback of a conference says.

Pure. Source: Twilio <Conference>, "Conference events" (parameters).
"""

from datetime import datetime

from gateway.parameters import Parameters, rfc2822
from gateway.rooms.conference_events import Participant, Post


def conference_parameters(
    post: Post, *, conference_sid: str, friendly_name: str, account_sid: str, at: datetime, call_status: str | None
) -> Parameters:
    """call_status: of the participant whose leaving is told."""
    parameters = [
        ("ConferenceSid", conference_sid),
        ("FriendlyName", friendly_name),
        ("AccountSid", account_sid),
        ("SequenceNumber", str(post.sequence)),
        ("Timestamp", rfc2822(at)),
        ("StatusCallbackEvent", post.name),
    ]
    if post.participant is not None:
        parameters += _participant_parameters(post.participant)
    if call_status is not None:
        parameters.append(("ParticipantCallStatus", call_status))
    return [*parameters, *post.more]


def _participant_parameters(participant: Participant) -> Parameters:
    parameters = [
        ("CallSid", participant.call_sid),
        ("Muted", _truth(participant.is_muted)),
        ("Hold", _truth(participant.is_held)),
        ("Coaching", _truth(participant.is_coaching)),
        ("EndConferenceOnExit", _truth(participant.ends_on_exit)),
        ("StartConferenceOnEnter", _truth(participant.starts_on_enter)),
    ]
    if participant.label is not None:
        parameters.append(("ParticipantLabel", participant.label))
    if participant.coach_of is not None:
        parameters.append(("CallSidToCoach", participant.coach_of))
    return parameters


def _truth(value: bool) -> str:
    return "true" if value else "false"

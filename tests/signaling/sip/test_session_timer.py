"""Session timers: who refreshes after which offer and answer, and when the call is given up."""

import pytest

from signaling.sip.session_timer import IntervalTooSmall, Schedule, SessionTimer
from tests.signaling.sip.messages import request, response

TIMER = ("Supported", "timer")


@pytest.mark.parametrize(
    ("fields", "told", "schedule"),
    [
        ([], "1800;refresher=uas", Schedule(refresh_after_s=900, expire_after_s=None)),
        ([TIMER], "1800;refresher=uac", Schedule(refresh_after_s=None, expire_after_s=1768)),
        (
            [TIMER, ("Session-Expires", "90")],
            "90;refresher=uac",
            Schedule(refresh_after_s=None, expire_after_s=60),
        ),
        (
            [TIMER, ("Session-Expires", "600;refresher=uas")],
            "600;refresher=uas",
            Schedule(refresh_after_s=300, expire_after_s=568),
        ),
        (
            [TIMER, ("x", "7200; refresher = UAC"), ("Min-SE", "3600")],
            "3600;refresher=uac",
            Schedule(refresh_after_s=None, expire_after_s=3568),
        ),
        (
            [("Session-Expires", "60;refresher=uac")],
            "90;refresher=uas",
            Schedule(refresh_after_s=45, expire_after_s=None),
        ),
    ],
    ids=["no support", "support only", "90 s", "peer wants us to", "long with a minimum", "a proxy's, too short"],
)
def test_called_side_answers_and_schedules(fields: list[tuple[str, str]], told: str, schedule: Schedule) -> None:
    answer, found = SessionTimer().answer(request(fields=fields))
    assert dict(answer)["Session-Expires"] == told
    assert found == schedule
    assert ("Require", "timer") in answer or not told.endswith("uac")


def test_called_side_refuses_what_is_too_short() -> None:
    with pytest.raises(IntervalTooSmall) as caught:
        SessionTimer().answer(request(fields=[TIMER, ("Session-Expires", "89")]))
    assert (caught.value.status, caught.value.fields) == (422, (("Min-SE", "90"),))


@pytest.mark.parametrize(
    ("fields", "schedule"),
    [
        ([], Schedule(refresh_after_s=900, expire_after_s=None)),
        ([("Session-Expires", "1800;refresher=uac")], Schedule(refresh_after_s=900, expire_after_s=1768)),
        ([("Session-Expires", "90;refresher=uas")], Schedule(refresh_after_s=None, expire_after_s=60)),
        ([("Session-Expires", "300")], Schedule(refresh_after_s=150, expire_after_s=268)),
        ([("Session-Expires", "1")], Schedule(refresh_after_s=45, expire_after_s=60)),
    ],
    ids=["no support", "we refresh", "they refresh", "nobody named", "absurd"],
)
def test_calling_side_schedules_what_was_answered(fields: list[tuple[str, str]], schedule: Schedule) -> None:
    timer = SessionTimer()
    assert dict(timer.ask(initial=True)) == {"Session-Expires": "1800", "Min-SE": "90"}
    assert timer.accepted(response(200, fields=fields)) == schedule


def test_calling_side_asks_again_with_the_minimum_it_was_told() -> None:
    timer = SessionTimer(interval_s=120)
    assert timer.refused(response(422, fields=[("Min-SE", "200")]))
    assert dict(timer.ask(initial=True)) == {"Session-Expires": "200", "Min-SE": "200"}
    assert not timer.refused(response(422, fields=[("Min-SE", "200")])), "told the same again, asking is no use"
    assert not timer.refused(response(422))
    assert not timer.refused(response(422, fields=[("Min-SE", "4000000")]))


def test_refresh_says_who_refreshes_from_the_view_of_its_sender() -> None:
    timer = SessionTimer()
    timer.accepted(response(200, fields=[("Session-Expires", "300;refresher=uas")]))
    assert dict(timer.ask(initial=False))["Session-Expires"] == "300;refresher=uas"
    timer.answer(request(fields=[TIMER, ("Session-Expires", "300;refresher=uas")]))
    assert dict(timer.ask(initial=False))["Session-Expires"] == "300;refresher=uac"

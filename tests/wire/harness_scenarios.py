"""SIPp scenarios written as lists of steps, so that a test reads like the ladder diagram it means.

``write(path, *steps)`` makes the file SIPp runs. Callers (``invite``, ``ack``, ``bye``…) are ``[identity]`` and call
``[service]``; called parties answer (``reply``) and may speak up in the dialog (``own_request``).
Source: SIPp 3.6 documentation, scenario format; RFC 3261 for the messages.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

SDP = """v=0
o=sipp 53655765 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a={direction}
"""


def sdp(direction: str = "sendrecv", *, version: int = 1) -> str:
    return SDP.format(direction=direction, version=version)


@dataclass(frozen=True)
class Step:
    xml: str


def write(path: Path, *steps: Step) -> Path:
    body = "\n".join(step.xml for step in steps)
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name={quoteattr(path.stem)}>\n{body}\n</scenario>\n'
    )
    return path


def pause(seconds: float) -> Step:
    return Step(f'<pause milliseconds="{seconds * 1000:.0f}"/>')


def _send(message: str, *, body: str = "", retransmits: bool = True) -> Step:
    kind = "Content-Type: application/sdp\n" if body.startswith("v=0") else ""
    attribute = ' retrans="500"' if retransmits else ""
    text = f"{message.strip()}\n{kind}Content-Length: [len]\n\n{body}"
    return Step(f"<send{attribute}><![CDATA[\n{text}]]></send>")


def _with(extra: str) -> str:
    return f"{extra.strip()}\n" if extra else ""


# A caller


def request(
    method: str,
    *,
    cseq: int = 1,
    in_dialog: bool = False,
    body: str = "",
    extra: str = "",
    target: str = "sip:[service]@[remote_ip]:[remote_port]",
    retransmits: bool = True,
    branch: str = "[branch]",
) -> Step:
    """A request of the caller. extra: further header lines."""
    uri, to = ("[next_url]", "[last_To:]") if in_dialog else (target, "To: <sip:[service]@[remote_ip]>")
    return _send(
        f"{method} {uri} SIP/2.0\n"
        f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n"
        "From: <sip:[identity]@[remote_ip]>;tag=[pid]from[call_number]\n"
        f"{to}\n"
        "Call-ID: [call_id]\n"
        f"CSeq: {cseq} {method}\n"
        "Contact: <sip:[identity]@[local_ip]:[local_port];transport=[transport]>\n"
        f"Max-Forwards: 70\n{_with(extra)}",
        body=body,
        retransmits=retransmits,
    )


def authorised(method: str = "INVITE", **more: object) -> Step:
    """The request with an answer to a challenge, made beforehand (harness_login.py)."""
    extra = f"Authorization: [digest]\n{more.pop('extra', '')}"
    return request(method, cseq=2, extra=extra, **more)  # type: ignore[arg-type]


def ack_failure(cseq: int, *, branch: str = "[branch-1]") -> Step:
    """For a final response that is no 2xx: same transaction, To as received. branch: of the INVITE, steps back."""
    return Step(
        "<send><![CDATA[\n"
        "ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n"
        f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n"
        "From: <sip:[identity]@[remote_ip]>;tag=[pid]from[call_number]\n"
        "[last_To:]\nCall-ID: [call_id]\n"
        f"CSeq: {cseq} ACK\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>"
    )


def ack(cseq: int = 2, *, body: str = "") -> Step:
    return request("ACK", cseq=cseq, in_dialog=True, body=body, retransmits=False)


def challenged_invite(*, body: str = "", extra: str = "") -> tuple[Step, ...]:
    """INVITE, 401, ACK, INVITE with the answer."""
    return (
        request("INVITE", body=body, extra=extra),
        receive(100, optional=True),
        receive(401),
        ack_failure(1),
        authorised("INVITE", body=body, extra=extra),
        receive(100, optional=True),
    )


def bye(cseq: int = 3, *, extra: str = "") -> tuple[Step, ...]:
    return request("BYE", cseq=cseq, in_dialog=True, extra=extra), receive(200)


def own_notify(sipfrag: str, *, cseq: int = 3) -> Step:
    """The caller's NOTIFY of what became of a REFER, which was the last to come: whom it is to is known by its tag."""
    return _send(
        "NOTIFY [next_url] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\n"
        "From: <sip:[identity]@[remote_ip]>;tag=[pid]from[call_number]\n"
        "To: <sip:[service]@[remote_ip]>[peer_tag_param]\n"
        "Call-ID: [call_id]\n"
        f"CSeq: {cseq} NOTIFY\n"
        "Contact: <sip:[identity]@[local_ip]:[local_port];transport=[transport]>\n"
        "Event: refer\nSubscription-State: terminated;reason=noresource\n"
        "Max-Forwards: 70\nContent-Type: message/sipfrag\n",
        body=sipfrag,
    )


def receive(
    what: int | str,
    *,
    optional: bool = False,
    routes: bool = False,
    holds: str = "",
    header: str = "",
    header_holds: str = "",
) -> Step:
    """A response (number) or request (name). holds: a regular expression that must fit the whole message;
    header_holds: one that must fit that header. routes: remember where the dialog's requests go."""
    kind = "response" if isinstance(what, int) else "request"
    attributes = f'{kind}="{what}"'
    attributes += ' optional="true"' if optional else ""
    attributes += ' rrs="true"' if routes else ""
    actions = ""
    if holds:
        actions += f'<ereg regexp={quoteattr(holds)} search_in="msg" check_it="true" assign_to="held"/>'
    if header:
        actions += (
            f'<ereg regexp={quoteattr(header_holds or ".+")} search_in="hdr" header={quoteattr(header + ":")} '
            'check_it="true" assign_to="held"/>'
        )
    inner = f"<action>{actions}</action>" if actions else ""
    used = '<Reference variables="held"/>' if actions else ""
    return Step(f"<recv {attributes}>{inner}</recv>{used}")


# A called party


def invited() -> Step:
    """The INVITE, remembered: for requests of the called party's own, and for an answer that comes later."""
    saved = {"remote": "From:", "local": "To:", "via": "Via:", "cseq": "CSeq:"}
    actions = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{header}" assign_to="{name}"/>' for name, header in saved.items()
    )
    return Step(
        f'<recv request="INVITE" rrs="true"><action>{actions}</action></recv><Reference variables="{",".join(saved)}"/>'
    )


def answer_after_all(*, tag: str = "a") -> Step:
    """200 for the INVITE although another request came in between."""
    return _send(
        "SIP/2.0 200 OK\nVia:[$via]\nFrom:[$remote]\n"
        f"To:[$local];tag=[pid]{tag}[call_number]\nCall-ID: [call_id]\nCSeq:[$cseq]\n"
        "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n",
        body=sdp(),
        retransmits=False,
    )


def reply(status: str, *, body: str = "", extra: str = "", tag: str = "a", contact: bool = True) -> Step:
    """A response to the last request. tag: of this leg; "" for requests in the dialog."""
    to = f"[last_To:];tag=[pid]{tag}[call_number]" if tag else "[last_To:]"
    where = "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n" if contact else ""
    return _send(
        f"SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n{to}\n[last_Call-ID:]\n[last_CSeq:]\n{where}{_with(extra)}",
        body=body,
        retransmits=False,
    )


def own_request(method: str, *, cseq: int = 1, body: str = "", extra: str = "", tag: str = "a") -> Step:
    """A request of the called party in the dialog."""
    return _send(
        f"{method} [next_url] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\n"
        f"From:[$local];tag=[pid]{tag}[call_number]\n"
        "To:[$remote]\n"
        "Call-ID: [call_id]\n"
        f"CSeq: {cseq} {method}\n"
        "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n"
        f"Max-Forwards: 70\n{_with(extra)}",
        body=body,
        retransmits=method != "ACK",
    )


def hung_up() -> tuple[Step, ...]:
    """BYE comes and is answered."""
    return receive("BYE"), reply("200 OK", tag="", contact=False)


ANSWER: tuple[Step, ...] = (
    invited(),
    reply("180 Ringing"),
    pause(0.2),
    reply("200 OK", body=sdp(), extra="X-Answered-By: sipp"),
    receive("ACK"),
)

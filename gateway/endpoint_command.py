"""``ringfork endpoint``: the command line of the client endpoints.

Spells options only; what an endpoint is and does stands in signaling/endpoints. Wrong use ends with 2, a missing
library or a failed call with 1.
"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from signaling.endpoints.options import WEBRTC_CODECS, Incoming, SipEndpointOptions, WebRtcEndpointOptions
from signaling.endpoints.servers import OptionError, Transport

MISSING_PJSUA2 = (
    "SIP endpoints need the library pjsua2, which is not installed.\nInstall it with:  pip install 'ringfork[endpoint]'"
)

# Options that every kind of endpoint has.
Answer = Annotated[bool, typer.Option("--answer", help="Ring, then answer calls that come in.")]
AnswerAfter = Annotated[float | None, typer.Option(min=0, metavar="S", help="Ring so long before the answer.")]
RingOnly = Annotated[bool, typer.Option("--ring-only", help="Ring and never answer; so it is without --commands.")]
Play = Annotated[str, typer.Option(metavar="FILE|tone:HZ", help="Say this in every call, repeated.")]
Record = Annotated[Path | None, typer.Option(metavar="FILE", help="WAV file of what is heard.")]
Digits = Annotated[str, typer.Option(help="Keys to press after the answer; w waits 0.5 s, W 1 s.")]
HangupAfter = Annotated[float | None, typer.Option(min=0, metavar="S", help="Hang up, so long after the answer.")]
Once = Annotated[bool, typer.Option("--once", help="End after one call.")]
Calls = Annotated[int | None, typer.Option(min=1, metavar="N", help="End after so many calls; 1 with --dial.")]
Commands = Annotated[bool, typer.Option("--commands", help="Obey JSON lines on standard input; its end means quit.")]
TlsCa = Annotated[Path | None, typer.Option(help="Certificates to trust with TLS.")]
TlsInsecure = Annotated[bool, typer.Option("--tls-insecure", help="Trust any certificate.")]

app = typer.Typer(help="Client endpoints without a screen: register, call, answer, play, record.", no_args_is_help=True)


@app.callback()
def endpoint() -> None:
    """Client endpoints without a screen, one JSON line per event on standard output."""


@app.command()
def sip(
    identity: Annotated[str, typer.Argument(help="Who this phone is: user part and digest user name.")],
    server: Annotated[
        str,
        typer.Option(help="sip:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT, or none: no registration."),
    ] = "sip:127.0.0.1:5060",
    password: Annotated[
        str, typer.Option(envvar="RINGFORK_ENDPOINT_PASSWORD", help="Digest password.", show_envvar=True)
    ] = "",
    domain: Annotated[str, typer.Option(help="SIP domain, where it is not the server's address.")] = "",
    display_name: Annotated[str, typer.Option(help="Name shown to the far end.")] = "",
    transport: Annotated[Transport | None, typer.Option(help="Wins over what --server says.")] = None,
    local_address: Annotated[str, typer.Option(help="Address to listen on; found by itself.")] = "",
    local_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    dial: Annotated[str, typer.Option(metavar="TARGET", help="Identity, number or sip: URI to call at once.")] = "",
    header: Annotated[
        list[str] | None, typer.Option(metavar="X-NAME=VALUE", help="Header of the INVITE; repeatable.")
    ] = None,
    answer: Answer = False,
    answer_after: AnswerAfter = None,
    ring_only: RingOnly = False,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse calls that come in as busy.")] = False,
    reject_code: Annotated[int | None, typer.Option(min=300, max=699, help="Refuse them with this status.")] = None,
    play: Play = "",
    record: Record = None,
    digits: Digits = "",
    hold_after: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Hold, so long after the answer.")
    ] = None,
    resume_after: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Resume, so long after the hold.")
    ] = None,
    hangup_after: HangupAfter = None,
    once: Once = False,
    calls: Calls = None,
    commands: Commands = False,
    codec: Annotated[list[str] | None, typer.Option(help="Codecs to offer, best first; repeatable.")] = None,
    tls_ca: TlsCa = None,
    tls_insecure: TlsInsecure = False,
    log_level: Annotated[
        int, typer.Option(min=0, max=6, help="How much of PJSIP's own log goes to standard error.")
    ] = 0,
) -> None:
    """A SIP phone: registers, calls or answers, plays, records; one JSON line per event.

    Events: started registered registration_failed unregistered dialing incoming ringing early_media answered digit
    digits_sent held resumed playing statistics recorded ended error stopped.

    Commands, with --commands: {"do": "dial", "target": "bob"}, ring, progress, answer, reject, hangup, digits, hold,
    resume, play, statistics, quit.
    """
    try:
        options = SipEndpointOptions(
            identity=identity,
            server=server,
            password=password,
            domain=domain,
            display_name=display_name,
            transport=transport,
            local_address=local_address,
            local_port=local_port,
            dial=dial,
            headers=_headers(header or []),
            incoming=_incoming(
                answer=answer or answer_after is not None,
                ring_only=ring_only,
                reject=reject or reject_code is not None,
                commands=commands,
            ),
            answer_after_s=answer_after or 0.0,
            reject_code=reject_code or 486,
            play=play,
            record=str(record or ""),
            digits=digits,
            hold_after_s=hold_after,
            resume_after_s=resume_after,
            hangup_after_s=hangup_after,
            calls=1 if once else calls,
            commands=commands,
            codecs=tuple(codec or ("PCMU", "PCMA")),
            tls_ca=str(tls_ca or ""),
            tls_insecure=tls_insecure,
            log_level=log_level,
        )
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    _run(options)


@app.command()
def webrtc(
    identity: Annotated[str, typer.Argument(help="Who this browser is: the identity of its access token.")],
    server: Annotated[
        str, typer.Option(help="http://HOST:PORT or https://HOST:PORT, with the path before /signal if any.")
    ] = "http://127.0.0.1:8080",
    token: Annotated[
        str, typer.Option(envvar="RINGFORK_ENDPOINT_TOKEN", help="Access token; else it is fetched.", show_envvar=True)
    ] = "",
    account: Annotated[
        str, typer.Option(help="Account or API key to fetch a token with; none needed in development mode.")
    ] = "",
    password: Annotated[
        str,
        typer.Option(envvar="RINGFORK_ENDPOINT_PASSWORD", help="Auth token or secret of --account.", show_envvar=True),
    ] = "",
    dial: Annotated[str, typer.Option(metavar="TARGET", help="Identity or number to call at once: parameter To.")] = "",
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Custom parameter of the call; repeatable.")
    ] = None,
    answer: Answer = False,
    answer_after: AnswerAfter = None,
    ring_only: RingOnly = False,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse calls that come in.")] = False,
    play: Play = "",
    record: Record = None,
    digits: Digits = "",
    hangup_after: HangupAfter = None,
    once: Once = False,
    calls: Calls = None,
    commands: Commands = False,
    codec: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(WEBRTC_CODECS)}: those to use, best first; repeatable. PCMU, opus if none."),
    ] = None,
    tls_ca: TlsCa = None,
    tls_insecure: TlsInsecure = False,
) -> None:
    """A browser with the Voice SDK, without page or screen: registers, calls or answers, plays, records.

    One JSON line per event, the same as of a SIP phone: started registered registration_failed unregistered dialing
    incoming ringing early_media answered digits_sent playing statistics recorded ended error stopped.

    Commands, with --commands: {"do": "dial", "target": "bob"}, ring, answer, reject, hangup, digits, play, statistics,
    quit. The Voice SDK refuses without a reason and has no hold.
    """
    try:
        options = WebRtcEndpointOptions(
            identity=identity,
            server=server,
            token=token,
            account=account,
            password=password,
            dial=dial,
            headers=_headers(param or [], what="parameter"),
            incoming=_incoming(
                answer=answer or answer_after is not None, ring_only=ring_only, reject=reject, commands=commands
            ),
            answer_after_s=answer_after or 0.0,
            play=play,
            record=str(record or ""),
            digits=digits,
            hangup_after_s=hangup_after,
            calls=1 if once else calls,
            commands=commands,
            codecs=tuple(codec or ("PCMU", "opus")),
            tls_ca=str(tls_ca or ""),
            tls_insecure=tls_insecure,
        )
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    from signaling.endpoints.webrtc import run

    run(options)


def _run(options: SipEndpointOptions) -> NoReturn:
    try:
        from signaling.endpoints.sip import run
    except ModuleNotFoundError as error:
        if error.name != "pjsua2":
            raise
        typer.echo(MISSING_PJSUA2, err=True)
        raise typer.Exit(1) from None
    run(options)


def _incoming(*, answer: bool, ring_only: bool, reject: bool, commands: bool) -> Incoming:
    chosen = [
        incoming
        for incoming, is_wanted in (
            (Incoming.ANSWER, answer),
            (Incoming.RING, ring_only),
            (Incoming.REJECT, reject),
        )
        if is_wanted
    ]
    if len(chosen) > 1:
        raise OptionError("only one of --answer, --ring-only and --reject can be done")
    return chosen[0] if chosen else (Incoming.WAIT if commands else Incoming.RING)


def _headers(given: list[str], *, what: str = "header") -> dict[str, str]:
    headers = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"a {what} is NAME=VALUE, found {text!r}")
        headers[name] = value
    return headers

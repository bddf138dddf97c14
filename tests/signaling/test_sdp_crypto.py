"""Keys in session descriptions. Source: RFC 4568, RFC 8643."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest

from media.codec import PCMA, PCMU
from media.srtp import SrtpSuite
from signaling.sdp import (
    LocalMedia,
    NotAcceptable,
    SessionDescription,
    SrtpOffer,
    accept_answer,
    create_answer,
    create_offer,
    parse,
    serialise,
)
from signaling.sdp.crypto import crypto_lines

BOTH = (PCMU, PCMA)
THEIRS = bytes(range(30))
INLINE = "inline:" + base64.b64encode(THEIRS).decode()
CRYPTO = f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 {INLINE}"


def numbered() -> Callable[[int], bytes]:
    numbers: Iterator[int] = count(1)
    return lambda length: bytes([next(numbers)]) * length


def local(srtp: SrtpOffer = SrtpOffer.NONE) -> LocalMedia:
    return LocalMedia(address="198.51.100.5", port=20000, session_id=77, srtp=srtp, key_source=numbered())


def phone(*lines: str) -> SessionDescription:
    return parse("\n".join(("v=0", "o=- 5 9 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0", *lines)))


def read_again(description: SessionDescription) -> SessionDescription:
    return parse(serialise(description))


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"])
def test_create_answer_takes_offerers_first_usable_key(profile: str) -> None:
    offer = phone(f"m=audio 4000 {profile} 0", f"a=crypto:1 F8_128_HMAC_SHA1_80 {INLINE}", CRYPTO)
    answer, agreed = create_answer(offer, local(), codecs=BOTH)
    assert answer.media[0].protocol == profile
    assert [(line.tag, line.suite, line.key) for line in crypto_lines(read_again(answer).media[0])] == [
        (4, SrtpSuite.AES_CM_128_80, bytes([1]) * 30)
    ]
    assert agreed.srtp is not None
    assert (agreed.srtp.send, agreed.srtp.receive) == (bytes([1]) * 30, THEIRS)


def test_create_answer_keeps_our_key_while_the_offerer_keeps_his_suite() -> None:
    us = local()
    offer = phone("m=audio 4000 RTP/SAVP 0", CRYPTO)
    first, agreed = create_answer(offer, us, codecs=BOTH)
    again, still = create_answer(offer, us, codecs=BOTH, previous=first)
    assert (again, still) == (first, agreed)


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^31",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^20 WSH=128 -OPTIONAL",
        f"1 aes_cm_128_hmac_sha1_32 {INLINE}",
    ],
)
def test_crypto_line_that_is_usable(value: str) -> None:
    (line,) = crypto_lines(phone("m=audio 4000 RTP/SAVP 0", f"a=crypto:{value}").media[0])
    assert line.key == THEIRS


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        f"x AES_CM_128_HMAC_SHA1_80 {INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^20|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE};{INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} KDR=1",
        f"1 AEAD_AES_256_GCM {INLINE}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:%%%%",
        "1 AES_CM_128_HMAC_SHA1_80 uri:https://example.com",
    ],
)
def test_crypto_line_that_is_not_usable_is_passed_over(value: str) -> None:
    offer = phone("m=audio 4000 RTP/SAVP 0", f"a=crypto:{value}")
    assert crypto_lines(offer.media[0]) == ()
    with pytest.raises(NotAcceptable, match="no a=crypto that is supported"):
        create_answer(offer, local(), codecs=BOTH)


def test_create_offer_optional_puts_keys_beside_plain_profile() -> None:
    offer = read_again(create_offer(local(SrtpOffer.OPTIONAL), codecs=BOTH))
    assert offer.media[0].protocol == "RTP/AVP"
    assert [line.suite for line in crypto_lines(offer.media[0])] == [
        SrtpSuite.AEAD_AES_256_GCM,
        SrtpSuite.AEAD_AES_128_GCM,
        SrtpSuite.AES_CM_128_80,
    ]


def test_accept_answer_optional_without_keys_is_plain() -> None:
    us = local(SrtpOffer.OPTIONAL)
    offer = create_offer(us, codecs=BOTH)
    assert accept_answer(offer, phone("m=audio 4000 RTP/AVP 0"), local=us, codecs=BOTH).srtp is None


def test_accept_answer_with_a_key_of_the_offer_is_sealed_and_stays_so_in_the_next_offer() -> None:
    us = local(SrtpOffer.REQUIRED)
    offer = create_offer(us, codecs=BOTH)
    assert offer.media[0].protocol == "RTP/SAVP"
    answer = phone("m=audio 4000 RTP/SAVP 0", CRYPTO.replace(":4", ":3"))
    agreed = accept_answer(offer, answer, local=us, codecs=BOTH)
    assert agreed.srtp is not None
    assert (agreed.srtp.send, agreed.srtp.receive) == (bytes([3]) * 30, THEIRS)
    assert create_offer(us, codecs=BOTH, previous=offer) == offer
    assert accept_answer(offer, answer, local=us, codecs=BOTH) == agreed


@pytest.mark.parametrize(
    ("srtp", "lines"),
    [
        (SrtpOffer.REQUIRED, ("m=audio 4000 RTP/SAVP 0",)),
        (SrtpOffer.REQUIRED, ("m=audio 4000 RTP/AVP 0",)),
        (SrtpOffer.REQUIRED, ("m=audio 4000 RTP/SAVP 0", CRYPTO)),
        (SrtpOffer.OPTIONAL, ("m=audio 4000 RTP/AVP 0", CRYPTO)),
        (SrtpOffer.NONE, ("m=audio 4000 RTP/SAVP 0", CRYPTO)),
    ],
)
def test_accept_answer_with_keys_that_do_not_fit_is_refused(srtp: SrtpOffer, lines: tuple[str, ...]) -> None:
    us = local(srtp)
    with pytest.raises(NotAcceptable, match="crypto"):
        accept_answer(create_offer(us, codecs=BOTH), phone(*lines), local=us, codecs=BOTH)


def test_accept_answer_keys_nobody_offered_on_plain_profile_are_ignored() -> None:
    us = local()
    answer = phone("m=audio 4000 RTP/AVP 0", CRYPTO)
    assert accept_answer(create_offer(us, codecs=BOTH), answer, local=us, codecs=BOTH).srtp is None


def test_keys_are_not_printed() -> None:
    _, agreed = create_answer(phone("m=audio 4000 RTP/SAVP 0", CRYPTO), replace(local()), codecs=BOTH)
    assert repr(THEIRS) not in repr(agreed)

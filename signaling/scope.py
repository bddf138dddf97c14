"""Whose identity is meant: the same name in two accounts is two identities, which must never meet.

Pure. Registries keep an identity under one text: the bare name in the home account, ``AC…|name`` in every other. A
``|`` is in no identity. A SIP phone says whose it is by the host of its address: ``ac….example.com``, and any other
host is the home account's.
Source: README, "Accounts"; Twilio SIP domains (a domain belongs to an account).
"""

import re
from collections.abc import Callable
from typing import Final

Scope = Callable[[str, str], str]
"""(account sid, identity) to the text registries keep it under."""
AccountOfHost = Callable[[str], str]
"""The account a SIP host belongs to; "" for the home account's."""

_SEPARATOR: Final = "|"
_LABEL: Final = re.compile(r"(ac[0-9a-f]{32})(?:\.|$)", re.IGNORECASE)


def bare(_account_sid: str, identity: str) -> str:
    """The scope of a process with one account."""
    return identity


def scoped(account_sid: str, identity: str) -> str:
    """account_sid "": the home account."""
    return f"{account_sid}{_SEPARATOR}{identity}" if account_sid else identity


def identity_in(text: str) -> str:
    return text.rpartition(_SEPARATOR)[2]


def account_in(text: str) -> str:
    """The account of a scoped identity; "" for the home account."""
    return text.rpartition(_SEPARATOR)[0]


def account_label(host: str) -> str:
    """The first label of the host in lower case if it has the form of an account's sid, else ""."""
    found = _LABEL.match(host)
    return found[1].lower() if found is not None else ""


def account_host(account_sid: str, domain: str) -> str:
    """A host that means the account; account_sid "": the home account's, the domain itself.

    An address has no names below it. Source: RFC 3261 25.1 (hostname: its last label begins with a letter); RFC 2606 2.
    """
    if not account_sid:
        return domain
    is_address = domain.rpartition(".")[2].isdigit() or ":" in domain
    return f"{account_sid.lower()}.{'invalid' if is_address else domain}"


def one_account(_host: str) -> str:
    """Every host is the home account's."""
    return ""

"""Settings of the parts, as the configuration's sections say; gateway/app.py makes the parts of them."""

from datetime import timedelta
from pathlib import Path

from gateway.config import Configuration
from gateway.twimlets.mail import Mailer
from signaling.sip.core import SipSettings
from signaling.sip.registrar import RegistrarSettings
from signaling.sip.transport import TlsSettings
from signaling.sip.trunk import Trunk


def sip_settings(configuration: Configuration) -> SipSettings:
    sip = configuration.sip
    return SipSettings(
        listen=sip.listen,
        domain=sip.domain,
        tls=_tls(configuration),
        codec_names=sip.codecs,
        advertised_media_address=configuration.media.advertised_address,
        advertised_address=sip.advertised_address,
    )


def registrar_settings(configuration: Configuration) -> RegistrarSettings:
    sip = configuration.sip
    return RegistrarSettings(domain=sip.domain, most_s=sip.registration_max_s, default_s=sip.registration_max_s)


def trunks_of(configuration: Configuration) -> list[Trunk]:
    return [
        Trunk(
            name=trunk.name,
            uri=trunk.uri,
            username=trunk.username,
            password=trunk.password.get_secret_value(),
            sources=trunk.sources,
        )
        for trunk in configuration.trunks
    ]


def sealing_secrets(configuration: Configuration) -> tuple[str, str]:
    """Today's and the former one. Without a secret of its own the account's token seals: nothing has to be configured
    to begin."""
    storage = configuration.storage
    secret = storage.secret.get_secret_value() or configuration.account.auth_token.get_secret_value()
    return secret, storage.previous_secret.get_secret_value()


def kept_for(days: int) -> timedelta | None:
    """None: for good."""
    return timedelta(days=days) if days else None


def mailer_of(configuration: Configuration) -> Mailer | None:
    mail = configuration.mail
    if not mail.server:
        return None
    return Mailer(
        server=mail.server, sender=mail.sender, username=mail.username, password=mail.password.get_secret_value()
    )


def _tls(configuration: Configuration) -> TlsSettings | None:
    """The certificate of SIP's own section, else that of HTTP."""
    sip, server = configuration.sip, configuration.server
    certificate = sip.tls_certificate or server.tls_certificate
    if not certificate:
        return None
    key = sip.tls_key if sip.tls_certificate else server.tls_key
    return TlsSettings(certificate=Path(certificate), key=Path(key))

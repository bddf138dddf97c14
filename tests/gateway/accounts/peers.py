"""A directory as a configuration file makes it, and what REST added to it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.accounts.directory import Directory
from gateway.config import Configuration

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def directory(
    account_sid: str, auth_token: str, *, api_keys: Mapping[str, str] | None = None, **more: Any
) -> Directory:
    """api_keys: secret by sid. more: sections of the configuration."""
    keys = [{"sid": sid, "secret": secret} for sid, secret in (api_keys or {}).items()]
    account = {"sid": account_sid, "auth_token": auth_token}
    return configured(Configuration.model_validate({"account": account, "api_keys": keys, **more}))


def configured(configuration: Configuration) -> Directory:
    return Directory.of(configuration, since=SINCE)

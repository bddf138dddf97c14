"""The configuration tells all its errors at once, with the key's path."""

from pathlib import Path

import pytest

from gateway.config import ConfigurationError, load

ACCOUNT = '[account]\nsid = "AC' + "0" * 32 + '"\nauth_token = "0123456789abcdef"\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "ringfork.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_config_defaults_are_loopback_only(tmp_path: Path) -> None:
    configuration = load(written(tmp_path, ACCOUNT), {})
    assert configuration.server.listen == "127.0.0.1:8080"
    assert configuration.public_url == "http://127.0.0.1:8080"
    assert configuration.sip.listen == ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    assert configuration.webhooks.allow == ("127.0.0.0/8",)


def test_config_tells_every_error_with_its_path(tmp_path: Path) -> None:
    text = ACCOUNT + (
        '[server]\nlisten = "nowhere"\nport = 1\n'
        "[media]\nport_range = [5, 4]\n"
        '[sip]\nlisten = ["udp:127.0.0.1:5060", "sctp:127.0.0.1:5060"]\n'
        '[[clients]]\nidentity = "with space"\npassword = "x"\n'
    )
    with pytest.raises(ConfigurationError) as raised:
        load(written(tmp_path, text), {})
    told = "\n".join(raised.value.problems)
    for path in (
        "server.listen:",
        "server.port: there is no such key",
        "media: port_range",
        "sip.listen[1]:",
    ):
        assert path in told
    assert "clients[0].identity:" in told


def test_config_cross_references_are_checked(tmp_path: Path) -> None:
    text = ACCOUNT + (
        '[[numbers]]\nphone_number = "+15550100"\napplication_sid = "AP' + "1" * 32 + '"\n'
        '[[clients]]\nidentity = "alice"\npassword = "a"\n[[clients]]\nidentity = "alice"\npassword = "b"\n'
        '[server]\ntls_key = "key.pem"\n'
    )
    with pytest.raises(ConfigurationError) as raised:
        load(written(tmp_path, text), {})
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "clients[1].identity",
        "numbers[0].application_sid",
        "server.tls_certificate",
    ]


def test_config_environment_overrides_the_file(tmp_path: Path) -> None:
    configuration = load(
        written(tmp_path, ACCOUNT),
        {
            "RINGFORK_SERVER__LISTEN": "127.0.0.1:9999",
            "RINGFORK_SIP__LISTEN": '["udp:127.0.0.1:5070"]',
            "RINGFORK_CLIENTS": '[{"identity": "bob", "password": "secret"}]',
            "RINGFORK_MEDIA__CAPACITY": "64",
            "HOME": "/",
        },
    )
    assert configuration.server.port == 9999
    assert configuration.sip.listen == ("udp:127.0.0.1:5070",)
    assert configuration.clients[0].identity == "bob"
    assert configuration.media.capacity == 64


@pytest.mark.parametrize(
    ("name", "value"),
    [("RINGFORK_NOWHERE__KEY", "1"), ("RINGFORK_SERVER__NOPE", "1"), ("RINGFORK_CLIENTS", "[{")],
)
def test_config_unknown_environment_key_is_an_error(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError):
        load(written(tmp_path, ACCOUNT), {name: value})


def test_config_secrets_are_not_shown() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(None, {"RINGFORK_ACCOUNT__SID": "AC1", "RINGFORK_ACCOUNT__AUTH_TOKEN": "short"})
    assert "short" not in str(raised.value)


@pytest.mark.parametrize("text", ["[account", "\x00"])
def test_config_broken_toml_is_told_with_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ringfork\.toml"):
        load(written(tmp_path, text), {})


def test_config_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load(tmp_path / "absent.toml", {})


def test_config_the_explained_file_is_valid_and_names_every_key() -> None:
    path = Path(__file__).parents[2] / "configs" / "ringfork.toml"
    configuration = load(path, {})
    text = path.read_text(encoding="utf-8")
    for section, field in type(configuration).model_fields.items():
        assert f"[{section}]" in text or f"[[{section}]]" in text
        shape = field.annotation if isinstance(field.annotation, type) else None
        model = shape if shape is not None and hasattr(shape, "model_fields") else None
        if model is None:
            model = type(getattr(configuration, section)[0])
        for key in model.model_fields:
            inherited = section == "numbers" and key in type(configuration.sip).model_fields
            assert inherited or f"\n{key} =" in text, f"{section}.{key} is not explained"

import pytest

from gateway.webhooks.errors import FetchCode, FetchError, Retry
from gateway.webhooks.overrides import Overrides

URL = "https://app.example.com/voice?x=1"


def parse(fragment: str) -> Overrides:
    url, overrides = Overrides.parse(f"{URL}#{fragment}")
    assert url == URL
    return overrides


def test_overrides_without_fragment_are_the_defaults() -> None:
    assert Overrides.parse(URL) == (URL, Overrides())
    default = Overrides()
    assert (default.connect_s, default.read_s, default.total_s, default.retries) == (5.0, 15.0, 15.0, 1)
    assert default.retry_on == {Retry.CONNECT}


def test_overrides_of_the_documentation_are_read() -> None:
    found = parse("rc=2&rp=5xx,ct&ct=2000&rt=3000&tt=4000&sni=n&e=ashburn,dublin")
    assert found == Overrides(
        connect_s=2.0, read_s=3.0, total_s=4.0, retries=2, retry_on=frozenset({Retry.SERVER_ERROR, Retry.CONNECT})
    )


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("ct=1", Overrides(connect_s=0.1)),
        ("ct=10001", Overrides(connect_s=10.0)),
        ("rt=15001", Overrides(read_s=15.0)),
        ("tt=99", Overrides(total_s=0.1)),
        ("tt=999999999999", Overrides()),
        ("rc=6", Overrides(retries=5)),
        ("rc=0", Overrides(retries=0)),
        ("rc=-1", Overrides()),
        ("rc=two", Overrides()),
        ("ct=\u0665", Overrides()),
        ("rp=4XX, rt", Overrides(retry_on=frozenset({Retry.CLIENT_ERROR, Retry.READ}))),
        ("rp=5xx%2Cct", Overrides(retry_on=frozenset({Retry.SERVER_ERROR, Retry.CONNECT}))),
        ("rp=all", Overrides(retry_on=frozenset(Retry))),
        ("section", Overrides()),
        ("", Overrides()),
        ("unknown=1&rc=3", Overrides(retries=3)),
    ],
)
def test_overrides_out_of_range_are_clamped_and_unknown_ones_ignored(fragment: str, expected: Overrides) -> None:
    assert parse(fragment) == expected


@pytest.mark.parametrize("policy", ["", "3xx", "5xx,", "always", "5xx;ct"])
def test_overrides_retry_policy_nobody_knows_is_11243(policy: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse(f"rp={policy}")
    assert caught.value.code is FetchCode.BAD_RETRY_POLICY

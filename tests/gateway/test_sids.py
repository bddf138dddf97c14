import pytest

from gateway.sids import is_sid, new_sid


def test_new_sid_is_a_sid_of_its_kind_and_of_no_other() -> None:
    sid = new_sid("CA")
    assert is_sid("CA", sid)
    assert not is_sid("RE", sid)
    assert new_sid("CA") != sid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RE",
        "RE" + "0" * 31,
        "RE" + "0" * 33,
        "RE" + "0" * 31 + "g",
        "RE" + "0" * 32 + "\n",
        "re" + "0" * 32,
        "RE../" + "0" * 29,
        "RE" + "\N{ARABIC-INDIC DIGIT ZERO}" * 32,
        "RE" + "0" * 31 + "\0",
        "RE" + "0" * 5000,
    ],
)
def test_is_sid_refuses_what_is_not_a_sid(text: str) -> None:
    assert not is_sid("RE", text)

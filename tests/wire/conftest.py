"""What tests on the wire have: real peers, a real daemon, a TwiML application to program."""

import importlib.util

import pytest


@pytest.fixture
def needs_pjsua2() -> None:
    if importlib.util.find_spec("pjsua2") is None:
        pytest.skip("pjsua2-python is not installed: no client endpoints (pip install ringfork[endpoint])")

"""What the REST API says when it cannot do what was asked.

Pure. Owns the errors' codes and their JSON form; handlers raise RestError, ``answering`` turns it into the response.
Nothing of ours ever reaches a client but what stands here.
Source: Twilio "Twilio API responses", exceptions; rest-api.md 9 of the specification.
"""

import math
from collections.abc import Awaitable, Callable
from functools import wraps

import structlog
from aiohttp import hdrs, web

from gateway.accounts.allowance import AllInUse
from gateway.store import StorageUnavailable

_log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestError(Exception):
    """code: Twilio's. headers: beside the usual ones."""

    def __init__(self, status: int, code: int, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def response(self) -> web.Response:
        return web.json_response(
            {
                "code": self.code,
                "message": self.message,
                "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
                "status": self.status,
            },
            status=self.status,
            headers=self.headers,
        )


def unauthorized() -> RestError:
    return RestError(401, 20003, "Authenticate", headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="Twilio API"'})


def inactive() -> RestError:
    return RestError(403, 20005, "Account is not active")


def too_many_guesses(left_s: float) -> RestError:
    """left_s: for how long the address is blocked; less than a second: the account is slowed, not the address."""
    wait_s = max(1, math.ceil(left_s))
    return RestError(429, 20429, "Too many wrong passwords", headers={hdrs.RETRY_AFTER: str(wait_s)})


def not_found(path: str) -> RestError:
    return RestError(404, 20404, f"The requested resource {path} was not found")


def method_not_allowed(allowed: str) -> RestError:
    return RestError(405, 20004, "Method not allowed", headers={hdrs.ALLOW: allowed})


def unavailable() -> RestError:
    return RestError(503, 20503, "Service unavailable", headers={hdrs.RETRY_AFTER: "1"})


def answering(handler: Handler) -> Handler:
    """Every failure of the handler as the API's error; a bug is logged here and told as 500 without a word more."""

    @wraps(handler)
    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RestError as error:
            return error.response()
        except AllInUse as error:
            return RestError(429, error.code, str(error)).response()
        except StorageUnavailable as error:
            _log.warning("request not served", reason=str(error))
            return unavailable().response()
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:  # noqa: BLE001  # the edge of the process: a client must never see our insides
            _log.exception("request failed", path=request.path)
            return RestError(500, 20500, "Internal server error").response()

    return answered

"""What is read of an answer, and what each way of not being one is called.

Source: Twilio Error Dictionary 11206, 11217, 11750.
"""

from aiohttp import ClientResponse, hdrs

from gateway.webhooks.body import BodyMalformed, BodyTooLarge, read_body
from gateway.webhooks.errors import FetchCode, FetchError, Retry


def media_type(response: ClientResponse) -> str:
    """Lower case, without parameters; empty if the server named none."""
    return response.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()


def error_status(status: int, url: str) -> FetchError:
    kind = {4: Retry.CLIENT_ERROR, 5: Retry.SERVER_ERROR}.get(status // 100)
    return FetchError(FetchCode.ERROR_STATUS, url, f"found {status}", kind=kind, http_status=status)


async def bounded_body(response: ClientResponse, url: str, *, limit: int) -> bytes:
    """The body, decompressed. Raises FetchError: 11750 over the limit, 11206 for a broken one."""
    try:
        return await read_body(response, limit=limit)
    except BodyTooLarge:
        raise FetchError(FetchCode.BODY_TOO_LARGE, url, f"expected at most {limit} bytes, found more") from None
    except BodyMalformed as error:
        raise FetchError(FetchCode.PROTOCOL_VIOLATION, url, str(error)) from error

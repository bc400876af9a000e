"""One address: methods, bodies, preflight, and refusals in the words of its clients."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from gai_stream.asgi import Endpoint, sse_response
from gai_stream.events import Failure

pytestmark = pytest.mark.anyio


def endpoint(**options: Any) -> Endpoint:
    async def prepare(request: Request) -> str:
        return (await request.body()).decode()

    given: dict[str, Any] = {"methods": ["post"], "max_body_size": 10, "cors": None, **options}
    return Endpoint(prepare, lambda scope, asked: sse_response([f"{scope['method']} {asked}"]), **given)


def words(failure: Failure, status: int) -> Any:
    return {"sorry": failure.message, "status": status}


async def test_what_is_prepared_is_answered(serve: Any) -> None:
    response = await serve(endpoint(), "POST", content=b"hi")
    assert '{"text":"POST hi"}' in response.text


async def test_refusals_are_in_the_clients_words(serve: Any) -> None:
    response = await serve(endpoint(error_body=words), "PUT")
    assert (response.status, response.headers["allow"]) == (405, "POST, OPTIONS")
    assert response.json() == {"sorry": "use POST here", "status": 405}
    response = await serve(endpoint(error_body=words), "POST", content=b"x" * 11)
    assert response.json() == {"sorry": "the body is larger than 10 bytes", "status": 413}
    response = await serve(endpoint(error_body=words), "POST", content=b"\xff")
    assert response.status == 400
    assert "utf-8" in response.json()["sorry"]


async def test_a_refusal_may_be_a_text(serve: Any) -> None:
    response = await serve(endpoint(error_body=lambda failure, status: f"{status}: {failure.message}"), "PUT")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "405: use POST here"


async def test_head_is_answered_where_get_is_and_somebody_does(serve: Any) -> None:
    both = endpoint(methods=["GET", "POST"], head=lambda _scope: sse_response([]))
    response = await serve(both, "HEAD")
    assert (response.status, response.content) == (200, b"")
    assert "HEAD" in (await serve(both, "PUT")).headers["allow"]
    assert (await serve(endpoint(methods=["GET"]), "HEAD")).status == 405
    assert (await serve(endpoint(head=lambda _scope: sse_response([])), "HEAD")).status == 405


async def test_preflight_names_the_methods(serve: Any) -> None:
    response = await serve(endpoint(cors="*"), "OPTIONS")
    assert (response.status, response.headers["access-control-allow-methods"]) == (204, "POST, OPTIONS")


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"methods": "POST"}, ValueError, "methods must be one or more"),
        ({"methods": []}, ValueError, "methods must be one or more"),
        ({"max_body_size": 0}, ValueError, "max_body_size must be"),
        ({"cors": "nowhere"}, ValueError, "cors: 'nowhere' is not an origin"),
    ],
)
def test_meaningless_options_are_refused(options: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        endpoint(**options)


def test_prepare_must_be_callable() -> None:
    with pytest.raises(TypeError, match="prepare must be callable, not int"):
        Endpoint(1, print, methods=["GET"], max_body_size=1, cors=None)  # type: ignore[arg-type]

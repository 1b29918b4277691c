"""The page at /: a recording or the microphone, captions, subtitles. It needs nothing from elsewhere."""

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter()

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_KINDS = {"index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
_FILES = {name: files(__package__).joinpath(name).read_bytes() for name in _KINDS}


def _answer(name: str) -> Response:
    return Response(_FILES[name], media_type=f"{_KINDS[name]}; charset=utf-8", headers=_HEADERS)


@router.get("/")
async def page() -> Response:
    """The page."""
    return _answer("index.html")


@router.get("/page/page.css")
async def style() -> Response:
    """How it looks."""
    return _answer("page.css")


@router.get("/page/page.js")
async def script() -> Response:
    """What it does."""
    return _answer("page.js")

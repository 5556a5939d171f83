"""Makes pages of templates. What comes from outside is escaped, wherever it is put."""

from __future__ import annotations

import math
import time
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler import __version__
from reconciler.core.words import duration
from reconciler.web.pages.statics import address
from reconciler.web.security.access import Way, caller_of
from reconciler.web.security.csrf import csrf_token
from reconciler.words.times import counted, iso

#: The pages in the order of the bar: path, its letter after `g`, title.
PAGES = (
    ("/", "o", "Overview"),
    ("/jobs", "j", "Jobs"),
    ("/failures", "f", "Failures"),
    ("/orphans", "r", "Orphans"),
    ("/servers", "s", "Servers"),
    ("/webhooks", "w", "Webhooks"),
)
_THEMES = ("light", "dark")
_SIZES = ("B", "kB", "MB", "GB", "TB")


def size(count_bytes: float) -> str:
    """Bytes in words: "532 B", "4.2 MB"."""
    power = min(int(math.log10(max(count_bytes, 1)) / 3), len(_SIZES) - 1)
    number = count_bytes / 1000**power
    return f"{number:.1f} {_SIZES[power]}" if power else f"{number:.0f} B"


def ago(instant: float, now: float) -> str:
    """How long ago it was, in the largest unit: what is read at a glance, and stays for a while."""
    words = duration(float(int(max(now - instant, 0.0))))
    return f"{' '.join(words.split()[:2])} ago"


def remaining(eta_s: float | None, eta_high_s: float | None = None) -> str:
    """What is left of a job: "about 4 min left", "4 min to 6 min left"; empty if nobody knows."""
    if eta_s is None:
        return ""
    low = duration(float(round(eta_s)))
    high = low if eta_high_s is None else duration(float(round(eta_high_s)))
    if high == "0 s":
        return "about a second left"
    return f"about {low} left" if low == high else f"{low} to {high} left"


def job_path(job_id: str) -> str:
    """The path of a job's page."""
    return f"/jobs/{quote(job_id, safe='')}"


def job_api(job_id: str) -> str:
    """The path of a job in the REST interface."""
    return f"/api/v1/jobs/{quote(job_id, safe='')}"


def api_path(job_id: str) -> str:
    """The path of a job in the REST interface."""
    return f"/api/v1{job_path(job_id)}"


def with_query(path: str, **values: str | int | None) -> str:
    """A path with parameters; those that are None or empty are left out."""
    query = urlencode({name: value for name, value in values.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("reconciler.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"duration": duration, "size": size, "iso": iso, "ago": ago}
    made.globals |= {
        "static": address,
        "job_path": job_path,
        "remaining": remaining,
        "api_path": api_path,
        "job_api": job_api,
        "with_query": with_query,
        "counted": counted,
        "pages": PAGES,
        "version": __version__,
    }
    return made


_templates = _environment()


def _signed_in(request: Request) -> str | None:
    """Whose token somebody signed in with; None where nobody did."""
    caller = caller_of(request)
    return caller.name if caller is not None and caller.way is Way.COOKIE else None


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    now: float | None = None,
    **values: object,
) -> HTMLResponse:
    """The page that `template` makes of these values. `now`: the clock that its times are of."""
    theme = request.cookies.get("theme")
    shared = {
        "path": request.url.path,
        "now": time.time() if now is None else now,
        "csrf_token": csrf_token(request),
        "signed_in": _signed_in(request),
        "theme": theme if theme in _THEMES else None,
        "times": "absolute" if request.cookies.get("times") == "absolute" else "relative",
    }
    text = _templates.get_template(template).render(shared | values)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

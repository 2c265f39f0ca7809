"""Preview links: what is previewed, signed, and who may be asked for."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import msgspec
from itsdangerous import BadData, URLSafeSerializer
from redis.asyncio import Redis

from core.errors import KizashiError, NotFound
from personalization.plain import redirect_problem
from personalization.template_rules import nearest
from sites.drafts import keep_draft
from sites.durations import milliseconds
from sites.moments import epoch_ms, moment
from sites.revisions import read_revision
from sites.site import Site
from storage.profiles import ProfileReader

LIFE = "1h"
MAX_LIFE_MS = 24 * 3_600_000
MAX_TOKEN = 3_000
#: The name of a preview in the fragment of a page's address. The snippet keeps it for the tab; `OFF` ends it.
TAB = "kz_preview"
OFF = "off"


class BadPreview(KizashiError):
    """The preview cannot be made. `field` is what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class Preview(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a link shows: the site as `audiences` see it, or as `visitor` does; a `draft` instead of what is
    published; `variants` by experience; as of `at` (epoch ms, 0: now). Until `until` (epoch ms).
    """

    site: str
    until: int
    audiences: tuple[str, ...] = ()
    visitor: str = ""
    draft: str = ""
    variants: dict[str, str] = {}
    at: int = 0

    @property
    def words(self) -> str:
        """Who and what, for people: `audience high_intent, draft`."""
        parts = [f"audience {name}" for name in self.audiences]
        parts += [f"visitor {self.visitor}"] if self.visitor else []
        parts += ["draft"] if self.draft else []
        parts += [f"variant {variant} of {name}" for name, variant in self.variants.items()]
        return ", ".join(parts) or "yourself"


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants to preview. `draft` is a site file's text, `at` a moment on the site's clock, `to` the
    page to begin with ("": the site's first), `life` a length of time up to a day.
    """

    audiences: tuple[str, ...] = ()
    visitor: str = ""
    draft: str = ""
    variants: dict[str, str] = {}
    at: str = ""
    to: str = ""
    life: str = LIFE


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A preview and its link."""

    preview: Preview
    url: str


class PreviewLinks:
    """Signs previews, and reads what it has signed."""

    def __init__(self, *, public_url: str, secret_key: str) -> None:
        self._base = public_url.rstrip("/")
        self._signer = URLSafeSerializer(secret_key, salt="kizashi.preview")

    def token(self, preview: Preview) -> str:
        """The signed preview, for a link and for the cookie."""
        return str(self._signer.dumps(msgspec.to_builtins(preview)))

    def link(self, preview: Preview, to: str) -> str:
        """The address that begins the preview on the page `to`."""
        return f"{self._base}/v1/preview?{urlencode({'t': self.token(preview), 'to': to})}"

    def page(self, to: str, token: str) -> str:
        """Where a link leads the browser. A page of another host gets the preview in its fragment, for its tab:
        not every browser lets that page's calls bring this server's cookie. An own fragment stays as it is.
        """
        own = urlsplit(self._base).hostname
        return to if "#" in to or urlsplit(to).hostname == own else f"{to}#{TAB}={token}"

    def read(self, token: str | None, *, now: int) -> Preview | None:
        """The preview of a token, None where it is not ours or over."""
        if not token or len(token) > MAX_TOKEN:
            return None
        try:
            preview = msgspec.convert(self._signer.loads(token), Preview)
        except (BadData, msgspec.ValidationError):
            return None
        return preview if now < preview.until else None


async def make_preview(
    redis: Redis, site: str, ask: Ask, *, links: PreviewLinks, draft_name: str, now: int
) -> Made:
    """Check what is asked for, keep the draft under `draft_name`, sign the link.

    Raises NotFound for the site or the visitor, BadSiteFile for the draft, BadPreview for the rest.
    """
    revision = await read_revision(redis, site)
    published = revision.compile()
    shown = published
    visitor = ask.visitor.partition(".")[0]
    to = _begin(ask.to, published, revision.data["origins"][0])
    life = _life(ask.life)
    if ask.audiences and visitor:
        raise BadPreview("visitor", "choose audiences or a visitor, not both")
    if visitor and await ProfileReader(redis=redis).get(site, visitor) is None:
        raise NotFound(f"site {site!r} has no visitor {visitor!r}")
    if ask.draft:
        shown = await keep_draft(redis, ask.draft, site=site, name=draft_name, now=now)
    _check_names(ask, shown)
    preview = Preview(
        site=site,
        until=now + life,
        audiences=ask.audiences,
        visitor=visitor,
        draft=draft_name if ask.draft else "",
        variants=ask.variants,
        at=_moment(ask.at, shown) if ask.at else 0,
    )
    return Made(preview=preview, url=links.link(preview, to))


def may_begin(to: str, site: Site) -> bool:
    """Whether a preview may send a browser there: to the site's own pages alone."""
    return not to.startswith("/") and not redirect_problem(to, site.origins)


def _begin(to: str, site: Site, first: str) -> str:
    if not to or to.startswith("/"):
        to = f"{first}{to or '/'}"
    if not may_begin(to, site):
        raise BadPreview("to", f"must be a page of the site: {', '.join(sorted(site.origins))}")
    return to


def _life(text: str) -> int:
    try:
        life = milliseconds(text)
    except ValueError as error:
        raise BadPreview("life", str(error)) from None
    if life > MAX_LIFE_MS:
        raise BadPreview("life", "must be at most 24h")
    return life


def _moment(text: str, site: Site) -> int:
    try:
        return epoch_ms(moment(text), site.timezone)
    except ValueError as error:
        raise BadPreview("at", str(error)) from None


def _check_names(ask: Ask, site: Site) -> None:
    names = frozenset(site.audiences)
    for name in ask.audiences:
        if name not in names:
            raise BadPreview("audience", f"there is no audience `{name}`{nearest(name, names)}")
    known = {one.id: one for one in site.experiences}
    for experience, variant in ask.variants.items():
        if experience not in known:
            near = nearest(experience, frozenset(known))
            raise BadPreview("variant", f"there is no experience `{experience}`{near}")
        variants = {one.id for choice in known[experience].choices for one in choice.variants}
        if variant not in variants:
            near = nearest(variant, frozenset(variants))
            raise BadPreview("variant", f"the experience `{experience}` has no variant `{variant}`{near}")

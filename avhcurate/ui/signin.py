"""Sign-in, where it is configured: the cookie of `st.login`, checked for the app's own routes too."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from avhcurate.data.workspace import find_workspace
from avhcurate.disk.files import write_atomic
from avhcurate.ui.tcp_nodelay import Asgi
from avhcurate.ui.user_errors import plain

#: Streamlit's files of the pages and its figures, and the own health check, which counts datasets.
_PRIVATE = re.compile(r"/media/|/_stcore/metrics$|(?<!_stcore)/health$")
#: Seconds for which Streamlit's cookie is kept.
_COOKIE_S = 30 * 86_400


def sign_in_configured() -> bool:
    """True when secrets.toml has an [auth] section, which is what `st.login` needs."""
    return st.secrets.load_if_toml_exists() and bool(st.secrets.get("auth"))


def signed_in(cookies: Mapping[str, str]) -> bool:
    """True when the cookies hold a sign-in to this server that has not ended, nor has its user signed out."""
    from streamlit.auth_util import get_origin_from_redirect_uri

    user = _user_of(cookies)
    return _stands(user) and user.get("origin") == get_origin_from_redirect_uri() and not _left().has(user)


def only_signed_in(app: Asgi) -> Asgi:
    """The same app, whose media, metrics and health ask for a sign-in where one is configured.

    A request to sign out is noted, so that a copy of its cookie is worth nothing from then on.
    """

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and sign_in_configured():
            cookies = Request(scope).cookies
            if scope["path"].endswith("/auth/logout") and (user := _user_of(cookies)):
                _left().add(user)
            elif _PRIVATE.search(scope["path"]) and not signed_in(cookies):
                await PlainTextResponse("sign in first", 401, {"Cache-Control": "no-store"})(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded


class SignedOut:
    """Sign-ins that their users have left before their end, in a file of the workspace: `exp` and digest a line."""

    def __init__(self, file: Path) -> None:
        self.file, self._lock = file, threading.Lock()

    def add(self, user: Mapping[str, Any]) -> None:
        """Notes that the user has signed out; sign-ins that have ended anyway are forgotten."""
        with self._lock:
            kept = [line for line in self._lines() if float(line.split()[0]) > time.time()]
            end = user.get("exp") or time.time() + _COOKIE_S
            write_atomic(self.file, "".join(f"{line}\n" for line in [*kept, f"{float(end)} {_digest(user)}"]))

    def has(self, user: Mapping[str, Any]) -> bool:
        digest = _digest(user)
        return any(line.split()[1] == digest for line in self._lines())

    def _lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


def _left() -> SignedOut:
    return SignedOut(find_workspace().root / "signed_out.txt")


def _digest(user: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(user), sort_keys=True, default=str).encode()).hexdigest()


def _stands(user: Mapping[str, Any]) -> bool:
    """A sign-in whose end (`exp`) has not come, and whose e-mail address is not said to be unverified."""
    end = user.get("exp")
    return (
        bool(user.get("is_logged_in"))
        and (not isinstance(end, int | float) or end > time.time())
        and user.get("email_verified") not in (False, "false")
    )


def _user_of(cookies: Mapping[str, str]) -> dict[str, Any]:
    """What the cookie of `st.login` says, checked as Streamlit does; empty without a valid one.

    `st.login` guards the script, not an app's own routes. The cookie is signed with `cookie_secret` under its own name
    as salt, may come in chunks, and names the origin that it was issued for (streamlit.web.server.starlette).
    """
    from streamlit.auth_util import get_cookie_with_chunks
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

    secret = get_cookie_secret()

    def read(name: str) -> bytes | None:
        value = cookies.get(name)
        return decode_signed_value(secret, name, value.encode("latin-1", "replace")) if value else None

    content = get_cookie_with_chunks(read, USER_COOKIE_NAME)
    try:
        user = json.loads(content or b"")
    except ValueError:
        return {}
    return user if isinstance(user, dict) else {}


def who() -> str:
    """The name under which annotations are written: the signed-in user, else "" for the server's account."""
    return str(st.user.get("email") or st.user.get("sub") or "") if sign_in_configured() else ""


def ask_to_sign_in() -> None:
    """Stops the script at a sign-in page when sign-in is configured and nobody is signed in."""
    # Streamlit has checked the cookie when the session began, which may be days ago.
    if not sign_in_configured() or (_stands(st.user) and not _left().has(_user_of(st.context.cookies))):
        return
    st.title("AVH Curate")
    if st.user.get("email_verified") in (False, "false"):
        st.error("Your provider has not verified your e-mail address: verify it there and sign in again.")
    elif st.user.get("is_logged_in"):
        st.info("Your sign-in has ended.")
    st.write("Sign in to see the datasets of this workspace.")
    for provider in _providers():
        st.button(f"Sign in with {provider}" if provider else "Sign in", on_click=st.login, args=(provider or None,))
    st.stop()


def show_account() -> None:
    """The signed-in user and a sign-out button; nothing where sign-in is not configured."""
    if sign_in_configured():
        st.caption(f"Signed in as {plain(who())}")
        st.button("Sign out", type="tertiary", icon=":material/logout:", key="frame.sign_out", on_click=st.logout)


def _providers() -> list[str]:
    """Names of the configured providers; one empty name for a single unnamed one."""
    named = [name for name, value in st.secrets["auth"].items() if isinstance(value, Mapping)]
    return named or [""]

"""Sign-in, where it is configured: the cookie of `st.login`, checked for the app's own routes too, and roles."""

import hashlib
import json
import re
import shlex
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakSet

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from streamlit.runtime.scriptrunner import get_script_run_ctx

from avhcurate.data.people import OPERATOR, Person, Role, acting, refusal
from avhcurate.data.workspace import find_workspace
from avhcurate.disk.files import write_atomic
from avhcurate.table.logs import open_roles
from avhcurate.ui.base_path import base_path
from avhcurate.ui.tcp_nodelay import Asgi
from avhcurate.ui.user_errors import plain

#: Streamlit's files of the pages, uploads and its figures, and the own health check, which counts datasets.
_PRIVATE = re.compile(r"/media/|/_stcore/(metrics$|upload_file/)|(?<!_stcore)/health$")
#: Nobody that the workspace knows, as who has signed out or has no role.
NOBODY = Person("", None)
#: Seconds for which Streamlit's cookie is kept.
_COOKIE_S = 30 * 86_400


#: Servers of this process, by their runtime, that have asked for a login.
_ASKED: WeakSet[Any] = WeakSet()


def sign_in_configured() -> bool:
    """True when secrets.toml has an [auth] section, which is what `st.login` needs.

    A server that has asked for a login goes on asking until it ends, so that a file that is lost or being written lets
    nobody in.
    """
    found = _login_is_there()
    if not st.runtime.exists():
        return found
    server = st.runtime.get_instance()
    if found:
        _ASKED.add(server)
    return found or server in _ASKED


def _login_is_there() -> bool:
    return st.secrets.load_if_toml_exists() and bool(st.secrets.get("auth"))


def refused(cookies: Mapping[str, str]) -> tuple[int, str] | None:
    """Status and text for a request that may not see a workspace's data; None where no sign-in is configured.

    The cookies must hold a sign-in to this server that has not ended, whose user has neither signed out nor no role.
    """
    from streamlit.auth_util import get_origin_from_redirect_uri

    if not sign_in_configured():
        return None
    if not _login_is_there():
        return 401, "the login of this server is missing: restore its secrets.toml, or start it again"
    user = _user_of(cookies)
    if not _stands(user) or user.get("origin") != get_origin_from_redirect_uri() or _left().has(user):
        return 401, "sign in first"
    return None if _person_of(user).role else (403, "you have no role in this workspace")


def acting_here() -> Person:
    """Who acts in this run of the script: the signed-in person, the operator where no sign-in is configured."""
    if not sign_in_configured() or not st.runtime.exists():
        return OPERATOR
    if not _login_is_there() or get_script_run_ctx(suppress_warning=True) is None or not _session_stands():
        return NOBODY
    return _person_of(st.user)


def only_signed_in(app: Asgi) -> Asgi:
    """The same app, whose media, uploads, metrics and health ask for a sign-in where one is configured.

    A request to sign out is noted, so that a copy of its cookie is worth nothing from then on.
    """

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and sign_in_configured():
            cookies = Request(scope).cookies
            if scope["path"].endswith("/auth/logout") and (user := _user_of(cookies)):
                _left().add(user)
            elif _is_private(scope["path"]) and (answer := refused(cookies)):
                status, text = answer
                await PlainTextResponse(text, status, {"Cache-Control": "no-store"})(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded


def _is_private(path: str) -> bool:
    """Whether a path needs a sign-in; what the sign-in page itself is drawn with does not."""
    return bool(_PRIVATE.search(path)) and not path.startswith(f"{base_path()}/static/")


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


def _person_of(user: Mapping[str, Any]) -> Person:
    """The person whom a sign-in names, with the role that the workspace gives them or their groups."""
    name = _name_of(user)
    return Person(name, open_roles(find_workspace()).role_of(name, _groups_of(user)))


def _name_of(user: Mapping[str, Any]) -> str:
    return str(user.get("email") or user.get("sub") or "")


def _groups_of(user: Mapping[str, Any]) -> list[str]:
    """Groups in a sign-in: its claim `groups`, or that of [avhcurate] groups_claim, as realm_access.roles."""
    found: Any = user
    for part in str(st.secrets.get("avhcurate", {}).get("groups_claim", "groups")).split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return [str(group) for group in found] if isinstance(found, list | tuple) else []


def _session_stands() -> bool:
    """Streamlit has checked the cookie when the session began, which may be days ago."""
    return _stands(st.user) and not _left().has(_user_of(st.context.cookies))


def who() -> str:
    """The name under which annotations are written: the signed-in user, else "" for the server's account."""
    return _name_of(st.user) if sign_in_configured() else ""


def why_not(role: Role, what: str = "this") -> str:
    """Why who is signed in may not do something; "" where they may."""
    return refusal(acting(), role, what)


def for_curators(what: str = "This", /, **look: Any) -> dict[str, Any]:
    """Looks of a widget for curators and owners, see `only_for`."""
    return only_for(Role.CURATOR, what, **look)


def only_for(role: Role, what: str, /, **look: Any) -> dict[str, Any]:
    """Looks of a widget, disabled with the reason where the role of who is signed in is below `role`."""
    reason = why_not(role, what)
    return look | ({"disabled": True, "help": plain(reason)} if reason else {})


def say_why_not(role: Role, what: str) -> None:
    """Says on the page why who is signed in may not do what it is for; nothing where they may."""
    if reason := why_not(role, what):
        st.info(plain(reason), icon=":material/lock:")


def ask_to_sign_in() -> None:
    """Stops the script where sign-in is configured, at a sign-in page for strangers and a notice without a role."""
    if not sign_in_configured():
        return
    if _session_stands():
        if acting().role is None:
            _say_no_role()
        return
    with _card():
        if st.user.get("email_verified") in (False, "false"):
            st.error("Your provider has not verified your e-mail address: verify it there and sign in again.")
        elif st.user.get("is_logged_in"):
            st.info("Your sign-in has ended.")
        st.write("Sign in to see the datasets of this workspace.")
        for provider in _providers():
            label = f"Sign in with {provider}" if provider else "Sign in"
            st.button(label, type="primary", width="stretch", on_click=st.login, args=(provider or None,))
    st.stop()


def _say_no_role() -> None:
    name = plain(who())
    with _card():
        st.info(f"You are signed in as {name}, and have no role in this workspace. Its owner can give you one:")
        st.code(f"avhcurate roles grant {shlex.quote(who())} viewer", language="bash")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    st.stop()


def _card() -> Any:
    """A box in the middle of an otherwise empty page, with the name of the app."""
    st.space("large")
    card = st.container(horizontal_alignment="center").container(border=True, width=420)
    card.title("AVH Curate", anchor=False)
    return card


def _providers() -> list[str]:
    """Names of the configured providers; one empty name for a single unnamed one."""
    named = [name for name, value in st.secrets.get("auth", {}).items() if isinstance(value, Mapping)]
    return named or [""]

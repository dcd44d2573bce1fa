"""Sign-in by `st.login` if it is configured, the session of a browser for the app's own routes, and roles."""

import hashlib
import json
import re
import secrets
import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from avhcurate.ui.base.answers import NEVER_KEPT, base_path
from avhcurate.ui.base.uploads import remember_browser
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.people import OPERATOR, Person, Role, acting, refusal
from avhcurate.workspace.data.roles import address_of, identity_of, role_of
from avhcurate.workspace.data.workspace import find_workspace

User = Mapping[str, Any]

#: A person whom the workspace does not know, for example after signing out.
NOBODY = Person("", None)
#: Seconds for which a browser keeps a sign-in.
_COOKIE_S = 30 * 86_400
#: The cookie by which the app's own routes know a browser: `st.login` guards the script only.
COOKIE = "avhcurate_session"
#: Users by the value of that cookie.
_SESSIONS: dict[str, User] = {}
#: Session state: the name of the session. The windows of sessions, each by the name of its first session.
_SESSION = "signin.session"
_WINDOWS: dict[str, str] = {}
_MOST_WINDOWS = 10_000
_NAME = re.compile("[0-9a-f]{32}")
#: Session state: the value that this page asks its browser to keep.
_TOKEN = "signin.token"
#: Runs in a page that has the token in an element; its text is always the same, so that a page allows no other script.
KEEP_COOKIE = """
{
  const { url, token } = document.getElementById("avhcurate-session").dataset;
  fetch(url, { method: "POST", body: token }).then((answer) => answer.ok && location.reload());
}
"""

_login_at_start = False


# --- the login of the server ------------------------------------------------------------------------------------


def login_settings() -> User:
    """Return the section of secrets.toml that `st.login` needs; empty if there is none."""
    return _section("auth")


def _section(name: str) -> User:
    if not st.secrets.load_if_toml_exists():
        return {}
    return st.secrets.get(name) or {}


def remember_login() -> None:
    """Go on asking for a sign-in until the server ends if it starts with a login, even if secrets.toml is lost."""
    global _login_at_start
    _login_at_start = bool(login_settings())


def sign_in_configured() -> bool:
    """Return whether people must sign in."""
    return _login_at_start or bool(login_settings())


# --- sessions of browsers ---------------------------------------------------------------------------------------


def refused(cookies: Mapping[str, str], role: Role = Role.VIEWER) -> tuple[int, str] | None:
    """Return status and text for a request of somebody whose role in the workspace is lower; None if it is not."""
    if not sign_in_configured():
        return None
    if not login_settings():
        return 401, "The login of this server is missing. Restore its secrets.toml, or start the server again."
    user = _user_with(cookies)
    if not _stands(user):
        return 401, "Sign in first."
    person = _person_of(user)
    if person.role is None:
        return 403, "You have no role in this workspace."
    if reason := refusal(person, role, "this"):
        return 403, reason
    return None


def sign_out(cookies: Mapping[str, str]) -> None:
    """End the sign-in of a browser, so that copies of its cookies are worth nothing from then on."""
    user = _user_with(cookies)
    if not user:
        return
    for token in [token for token, other in list(_SESSIONS.items()) if other == user]:
        _SESSIONS.pop(token, None)
    with _left_file().open("a") as file:
        file.write(f"{_digest(user)}\n")


def routes() -> list[Route]:
    """Return the route by which a browser gets the cookie of its session."""
    return [Route(f"{base_path()}/session", _keep_cookie, methods=["POST"])]


async def _keep_cookie(request: Request) -> Response:
    token = (await request.body()).decode("ascii", "replace")
    if token not in _SESSIONS:
        return Response(status_code=401, headers=NEVER_KEPT)
    answer = Response(status_code=204, headers=NEVER_KEPT)
    secure = str(login_settings().get("redirect_uri")).startswith("https:")
    path = base_path() or "/"
    answer.set_cookie(COOKIE, token, max_age=_COOKIE_S, path=path, secure=secure, httponly=True, samesite="lax")
    return answer


def _user_with(cookies: Mapping[str, str]) -> User:
    """Return the user of the session whose cookie a browser has; empty without one."""
    return _SESSIONS.get(cookies.get(COOKIE, ""), {})


def _start_session() -> None:
    """Ask the browser to keep the cookie of a new session and to load the page again; end this run."""
    if _TOKEN not in st.session_state:
        st.session_state[_TOKEN] = secrets.token_urlsafe(32)
        _SESSIONS[st.session_state[_TOKEN]] = _user()
    attributes = f'data-url="{base_path()}/session" data-token="{st.session_state[_TOKEN]}"'
    script = f'<div id="avhcurate-session" {attributes}></div><script>{KEEP_COOKIE}</script>'
    st.html(script, unsafe_allow_javascript=True)
    st.stop()


def _user() -> User:
    """Return what the identity provider says of the signed-in user; empty without one."""
    return {key: value for key, value in st.user.to_dict().items() if key != "tokens"}


def _stands(user: User) -> bool:
    """Return whether a sign-in has not ended (`exp`) and its e-mail address, if it counts, is verified."""
    try:
        # Not the reverse: a time that is not a number is over.
        ended = not float(user.get("exp", "inf")) > time.time()
    except (TypeError, ValueError):
        ended = True
    return bool(user.get("is_logged_in")) and not ended and _is_verified(user)


def _is_verified(user: User) -> bool:
    """Return whether the provider has verified the e-mail address, or the owner trusts all of its addresses."""
    settings = _section("avhcurate")
    if not user.get("email") or settings.get("known_by") == "subject" or settings.get("trust_addresses") is True:
        return True
    verified = user.get("email_verified")
    return verified is True or verified in ("true", "True")


def _has_left(user: User) -> bool:
    return _left_file().exists() and _digest(user) in _left_file().read_text()


def _left_file() -> Path:
    """Return the file of the sign-ins that their users have ended, a digest a line."""
    return find_workspace().root / "signed_out.txt"


def _digest(user: User) -> str:
    return hashlib.sha256(json.dumps(user, sort_keys=True, default=str).encode()).hexdigest()


# --- who acts ---------------------------------------------------------------------------------------------------


def acting_here() -> Person:
    """Return who acts in this run of the script: the signed-in person, or the operator without a sign-in."""
    if not sign_in_configured():
        return replace(OPERATOR, window=window())
    if not login_settings() or not _signed_in():
        return NOBODY
    return _person_of(st.user)


def person_with(cookies: Mapping[str, str]) -> Person:
    """Return who asks by the app's own routes: the person of a browser's session, or the operator without a sign-in."""
    if not sign_in_configured():
        return OPERATOR
    user = _user_with(cookies)
    if not _stands(user):
        return NOBODY
    return _person_of(user)


def session() -> str:
    """Return a name of this session, which ends with the page in the browser."""
    return str(st.session_state.setdefault(_SESSION, secrets.token_hex(16)))


def window() -> str:
    """Return the name of this window of a browser, which outlives a reload."""
    return _WINDOWS.get(session(), session())


def reloaded(session: str, window: str) -> None:
    """Note the window that a session is in, as its browser says."""
    if all(_NAME.fullmatch(name) for name in (session, window)):
        if len(_WINDOWS) >= _MOST_WINDOWS:
            _WINDOWS.clear()
        _WINDOWS[session] = window


def _signed_in() -> bool:
    """Return whether the sign-in still stands: Streamlit checked it when the session began, maybe days ago."""
    return _stands(st.user) and not _has_left(_user())


def _person_of(user: User) -> Person:
    """Return the person whom a sign-in names, with the role that the workspace gives them or their groups."""
    name = _name_of(user)
    if not name:
        return NOBODY
    return Person(name, role_of(open_events(find_workspace().root), name, _groups_of(user)))


def _name_of(user: User) -> str:
    """Return the e-mail address, else the issuer and the subject, as a role is given to it; "" for anything else."""
    if user.get("email") and _section("avhcurate").get("known_by") != "subject":
        return address_of(str(user["email"]))
    if user.get("iss") and user.get("sub"):
        return identity_of(str(user["iss"]), str(user["sub"]))
    return ""


def _groups_of(user: User) -> list[str]:
    """Return groups in a sign-in: its claim `groups`, or that of [avhcurate] groups_claim, as realm_access.roles."""
    groups: Any = user
    for part in str(_section("avhcurate").get("groups_claim", "groups")).split("."):
        if not isinstance(groups, Mapping):
            return []
        groups = groups.get(part)
    if not isinstance(groups, list | tuple):
        return []
    return [str(group) for group in groups]


def who() -> str:
    """Return the name under which annotations are written: the signed-in user, else "" for the server's account."""
    if not sign_in_configured():
        return ""
    return _name_of(st.user)


def why_not(role: Role, doing: str = "this") -> str:
    """Return why the user may not do something; "" if they may."""
    return refusal(acting(), role, doing)


def for_curators(doing: str = "This", /, **widget: Any) -> dict[str, Any]:
    """Return arguments of a widget for curators and owners, see `only_for`."""
    return only_for(Role.CURATOR, doing, **widget)


def only_for(role: Role, doing: str, /, **widget: Any) -> dict[str, Any]:
    """Return arguments of a widget, disabled with the reason if the user's role is below `role`."""
    if reason := why_not(role, doing):
        widget |= {"disabled": True, "help": plain(reason)}
    return widget


def say_why_not(role: Role, doing: str) -> None:
    """Say on the page why the user may not do what it is for; nothing if they may."""
    if reason := why_not(role, doing):
        st.info(plain(reason), icon=":material/lock:")


# --- the page of the sign-in ------------------------------------------------------------------------------------


def ask_to_sign_in() -> None:
    """Stop the script at a sign-in page for strangers, or at a notice for users without a role."""
    if not sign_in_configured():
        return
    if not _signed_in():
        _draw_sign_in()
    if _user_with(st.context.cookies) != _user():
        _start_session()
    remember_browser(st.context.cookies[COOKIE])
    if acting().role is None:
        _draw_no_role()


def _draw_sign_in() -> None:
    with _card():
        if not _is_verified(st.user):
            st.error(
                "Your provider does not say that your e-mail address is verified. Verify it there and sign in again. "
                "The owner of this server finds more in docs/serve.md."
            )
        elif st.user.get("is_logged_in"):
            st.info("Your sign-in has ended.")
        st.write("Sign in to see the datasets of this workspace.")
        providers = [name for name, value in login_settings().items() if isinstance(value, Mapping)]
        buttons: dict[str, tuple[str, ...]] = {f"Sign in with {name}": (name,) for name in providers} or {"Sign in": ()}
        for label, arguments in buttons.items():
            st.button(label, type="primary", width="stretch", on_click=st.login, args=arguments)
    st.stop()


def _draw_no_role() -> None:
    with _card():
        st.info(f"You are signed in as {plain(who())}, but you have no role in this workspace. Its owner can give one:")
        st.code(f"avhcurate roles grant {shlex.quote(who())} viewer", language="bash")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    st.stop()


def _card() -> Any:
    """Return a box in the middle of an otherwise empty page, with the name of the app."""
    st.space("large")
    card = st.container(horizontal_alignment="center").container(border=True, width=420)
    card.title("AVH Curate", anchor=False)
    return card

"""Sign-in, where it is configured: the cookie of `st.login`, checked for the app's own routes too."""

import json
from collections.abc import Mapping

import streamlit as st

from avhcurate.ui.user_errors import plain


def sign_in_configured() -> bool:
    """True when secrets.toml has an [auth] section, which is what `st.login` needs."""
    return st.secrets.load_if_toml_exists() and bool(st.secrets.get("auth"))


def signed_in(cookies: Mapping[str, str]) -> bool:
    """True when the cookies hold a sign-in that Streamlit itself would accept.

    `st.login` guards the script, not an app's own routes. The cookie is signed with `cookie_secret` under its own name
    as salt, may come in chunks, and names the origin that it was issued for (streamlit.web.server.starlette).
    """
    from streamlit.auth_util import get_cookie_with_chunks, get_origin_from_redirect_uri
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

    secret = get_cookie_secret()

    def read(name: str) -> bytes | None:
        value = cookies.get(name)
        return decode_signed_value(secret, name, value.encode("latin-1", "replace")) if value else None

    content = get_cookie_with_chunks(read, USER_COOKIE_NAME)
    if content is None:
        return False
    try:
        user = json.loads(content)
    except ValueError:
        return False
    return (
        isinstance(user, dict)
        and bool(user.get("is_logged_in"))
        and user.get("origin") == get_origin_from_redirect_uri()
    )


def who() -> str:
    """The name under which annotations are written: the signed-in user, else "" for the server's account."""
    return str(st.user.get("email") or st.user.get("sub") or "") if sign_in_configured() else ""


def ask_to_sign_in() -> None:
    """Stops the script at a sign-in page when sign-in is configured and nobody is signed in."""
    if not sign_in_configured() or st.user.get("is_logged_in"):
        return
    st.title("AVH Curate")
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

"""Addresses of servers without what is secret in them: for everything that is shown or stored.

Secret is the user info (``user:password@``) and the whole query (``?token=…``, ``?X-Amz-Signature=…``: any name may
hold a key); a fragment is never sent and goes, too. A secret inside the path cannot be told from a folder.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

HIDDEN = "***"
_ADDRESS = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*:/*[^\s'"<>]*""")
_LOGIN = re.compile(r"""[^\s'"<>/@=]+:[^\s'"<>/@]+@""")
_QUERY = re.compile(r"""\?[^\s'"<>()]*=[^\s'"<>()]+""")


def redacted(address: str) -> str:
    """One address, whole or malformed, with ``***`` for what is secret: ``https://***@host/file?***``."""
    parts = _split(address)
    if parts is None or (not parts.netloc and "@" in address):
        return _redacted_anyhow(address)
    login, at, host = parts.netloc.rpartition("@")
    path = re.sub(r";[^/]*", f";{HIDDEN}", parts.path)
    scheme = address[: len(parts.scheme) + 1] if parts.scheme else ""
    slashes = "//" if parts.netloc else ""
    return (
        scheme
        + slashes
        + (HIDDEN + at if login or at else "")
        + host
        + path
        + (f"?{HIDDEN}" if parts.query else "")
    )


def _split(address: str) -> SplitResult | None:
    """None where the address has no host and port that can be told: a password may be anywhere in it."""
    if address != address.strip() or re.search(r"[\x00-\x20\\]", address):
        return None
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  (raises where it is no number)
    except ValueError:
        return None
    return parts


def _redacted_anyhow(address: str) -> str:
    """Everything up to the last @, everything behind the first question mark or number sign."""
    shown = re.split(r"[?#]", address, maxsplit=1)[0]
    hidden = f"?{HIDDEN}" if len(shown) < len(address) else ""
    begin = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/+", address)
    scheme = begin[0] if begin else ""
    if "@" in hidden or "@" in address[len(shown) :]:  # a ? or # inside a password
        shown, hidden = address, ""
    login, at, rest = shown[len(scheme) :].rpartition("@")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    return scheme + (HIDDEN + at if login or at else "") + rest + hidden


def host_of(address: str) -> str:
    """Host and port, for a short line; the whole address, redacted, where it has none."""
    parts = _split(address)
    return (parts.netloc.rpartition("@")[2] if parts else "") or redacted(address)


def fault_of(address: str) -> str | None:
    """Why nothing can ever be fetched from ``address``, in a few words; None where it may be tried."""
    if re.search(r"[\x00-\x20\x7f\\]", address):
        return "it holds a space or a control character, or a backslash"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "it is not an address (a host in brackets has to be IPv6)"
    if parts.scheme not in ("http", "https"):
        return "only http and https are fetched"
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its port is not a number from 1 to 65535"
    if port == 0:
        return "its port is not a number from 1 to 65535"
    if not host:
        return "it names no host"
    return _fault_of_host(host, bracketed="[" in parts.netloc.rpartition("@")[2])


def _fault_of_host(host: str, bracketed: bool) -> str | None:
    if bracketed:
        try:
            ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return "the host in brackets is not an IPv6 address"
        return None
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(0 < len(label) < 64 for label in labels):
        return "its host is not a valid name"
    return None


def redacted_text(text: str) -> str:
    """``text`` with every address in it redacted; what looks like a login or a query elsewhere, too."""
    text = _ADDRESS.sub(
        lambda found: redacted(found[0]) if "/" in found[0] or "@" in found[0] else found[0], text
    )
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    return _QUERY.sub(f"?{HIDDEN}", text)


def has_hidden(address: str) -> bool:
    """Whether something was hidden in ``address``: it cannot be used as it is."""
    parts = _split(address)
    return parts is not None and (
        parts.netloc.startswith(f"{HIDDEN}@") or parts.query == HIDDEN or f";{HIDDEN}" in parts.path
    )


def secrets_in(words: Sequence[str]) -> list[str]:
    """What is secret in the addresses among ``words`` (a command line), longest first: the addresses, and each part."""
    found: set[str] = set()
    for word in words:
        for address in {word, word.partition("=")[2]}:
            if ":" in address and redacted(address) != address:
                found |= {address, *_parts(address)}
    return sorted((secret for secret in found if len(secret) > 2), key=len, reverse=True)


def _parts(address: str) -> set[str]:
    """Password or token, each value of a query, as they are and decoded."""
    parts = _split(address)
    if parts is None:
        login = address.rpartition("@")[0].partition("://")[2] or address.rpartition("@")[0]
        return {login, login.partition(":")[2]} - {""}
    login, _, _ = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    values = (
        value for _, value in parse_qsl(parts.query) if len(value) > 5
    )  # a shorter one is a word, not a key
    secret = {login, password or user, parts.query, *values}
    return {form for each in secret for form in (each, unquote(each))} - {""}

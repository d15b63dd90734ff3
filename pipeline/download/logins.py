"""A remembered address has lost what is secret in it: whether it can be used, and where the secret belongs."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.stage import StageError
from vision.messages.addresses import HIDDEN, has_hidden, host_of


def usable(address: str, again: str) -> str:
    """``address`` as it is asked; one whose login was hidden without it, for ``requests`` takes that from ~/.netrc.

    ``again``: the command that names the address again, for people. Raises StageError where the secret is nowhere.
    """
    if not has_hidden(address):
        return address
    bare = address.replace(f"//{HIDDEN}@", "//", 1)
    if has_hidden(bare):
        raise StageError(
            f"{address} lacks its secret part",
            "a query is used for one run and never stored, since it may hold a key",
            f"name the address again, with it: {again}",
        )
    if not _in_netrc(bare):
        raise StageError(
            f"{address} needs a login",
            "a login inside an address is used for one run and never stored; ~/.netrc has none for this host",
            f"write into ~/.netrc (or the file that $NETRC names): machine {urlsplit(bare).hostname} login USER password "
            f"PASSWORD; or name the address again, with it: {again}",
        )
    return bare


def _in_netrc(address: str) -> bool:
    from requests.utils import get_netrc_auth  # requests takes its time

    return get_netrc_auth(address) is not None


def named_again(command: str, option: str, address: str) -> str:
    """``python -m … --mirror 'https://USER:PASSWORD@host/…'``, for ``usable``."""
    shape = "https://HOST/…?…" if "?" in address else f"https://USER:PASSWORD@{host_of(address)}/…"
    return f"{command} {option} '{shape}'"

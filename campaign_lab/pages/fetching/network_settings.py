"""The network settings of the environment: the proxy for an address, and the certificate authorities that count."""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import httpx

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""The variables that name certificates, the first that is set counts."""


class Refused(httpx.TransportError):
    """An address that must not be read, or a setting that cannot be used. The message is the reason.

    It holds no path of this machine, and no password.
    """


@dataclass(frozen=True)
class Proxy:
    """A proxy with its whole url, which may hold a password: ``name`` is what may be shown."""

    url: httpx.URL

    @property
    def name(self) -> str:
        """Its address without user and password."""
        return str(self.url.copy_with(userinfo=b"")).rstrip("/")

    def transport(self, tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
        """The way through it. Raises Refused for a kind of proxy that cannot be used."""
        try:
            return transport(tls, httpx.Proxy(self.url, ssl_context=tls if self.url.scheme == "https" else None))
        except (ImportError, ValueError):
            raise Refused(f"the proxy {self.name} is of a kind that is not used; give an http proxy") from None


def transport(tls: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> httpx.AsyncHTTPTransport:
    """A way to the network that keeps no connection: one that was opened for one host must not serve another."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits, proxy=proxy)


def proxy_for(url: httpx.URL) -> Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (or the system) want for an address; None for no proxy.

    This machine's own addresses have none: a proxy's 127.0.0.1 is another machine. Raises Refused.
    """
    known = getproxies()
    given = known.get(url.scheme) or known.get("all")
    if not given or _is_loopback(url.host) or proxy_bypass(url.host):
        return None
    try:
        found = httpx.URL(given if "://" in given else f"http://{given}")
        usable = bool(found.host)
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise Refused(f"the proxy that is set for {url.scheme} is no address; mend {url.scheme.upper()}_PROXY")
    return Proxy(found)


def certificates() -> ssl.SSLContext:
    """The certificates that a site's own is checked by: those that are named in the environment, else certifi's.

    Raises Refused when what is named holds none.
    """
    name = next((each for each in CERTIFICATES if os.environ.get(each)), "")
    return _certificates(name, os.environ.get(name, ""))


@cache
def _certificates(name: str, place: str) -> ssl.SSLContext:
    if not name:
        return httpx.create_ssl_context(trust_env=False)
    try:
        if Path(place).is_dir():
            return ssl.create_default_context(capath=place)
        return ssl.create_default_context(cafile=place)
    except OSError:  # an ssl.SSLError is one
        raise Refused(f"{name} names a file without usable certificates; mend it, or unset it") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

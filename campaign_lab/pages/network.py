"""The way to the network: which addresses may be read, and a connection to exactly the address that was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import httpx

from campaign_lab.errors import PageError
from campaign_lab.pages.reading import Answer

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]

USER_AGENT = "campaign_lab"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


def is_public(address: IPAddress) -> bool:
    """May anybody on the internet read it? Looks inside IPv6 addresses that stand for an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if (inner is not None and not is_public(inner)) or address.is_site_local:
            return False
        if address.ipv4_mapped or address.sixtofour:
            return True
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Network:
    """The rules of a reading: who is asked for addresses, which of them are allowed, whose certificates count."""

    allowed: Callable[[IPAddress], bool] | None = is_public
    """None allows every address."""
    resolve: Resolver = system_resolver
    tls: ssl.SSLContext | None = None


class _Refused(httpx.TransportError):
    """An address that must not be read. The message is the reason."""


class _Pinned(httpx.AsyncBaseTransport):
    """Resolves the host, checks every address, and connects to one of those: nothing is looked up a second time."""

    def __init__(self, network: Network) -> None:
        self._network = network
        # No connection is kept: one that was opened to an address for one host must not serve another host.
        self._inner = httpx.AsyncHTTPTransport(
            verify=network.tls or _system_tls(), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        failure: httpx.TransportError = _Refused(f"the host {host!r} has no address")
        for address in await self._addresses(host, request.url.port or (443 if request.url.scheme == "https" else 80)):
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except httpx.ConnectError as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await self._network.resolve(host, port)
        except (OSError, UnicodeError):
            raise _Refused(f"the host name {host!r} is not known; check its spelling") from None
        for text in found:
            address = ipaddress.ip_address(text.partition("%")[0])
            if self._network.allowed and not self._network.allowed(address):
                raise _Refused(
                    f"{host} is at {address}, which is not a public address; if it is your own site, "
                    "set allow_private_addresses = true in the brief"
                )
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def _system_tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


async def get(url: str, network: Network, *, max_bytes: int, max_redirects: int, accept: str = "text/html") -> Answer:
    """Reads an address. Raises PageError with a reason for the reader for whatever is refused or fails."""
    try:
        # A transport, not a client: it keeps no cookies, follows no redirects and reads no environment.
        async with _Pinned(network) as transport:
            return await _follow(transport, url, accept, max_bytes=max_bytes, max_redirects=max_redirects)
    except _Refused as error:
        raise PageError(url, str(error)) from None
    except (httpx.HTTPError, httpx.InvalidURL, zlib.error, ValueError, OSError) as error:
        raise PageError(url, _failure(error)) from None


async def _follow(transport: _Pinned, url: str, accept: str, *, max_bytes: int, max_redirects: int) -> Answer:
    headers = {"User-Agent": USER_AGENT, "Accept": f"{accept},*/*;q=0.1", "Accept-Encoding": "gzip, deflate"}
    target = _checked(url)
    for _ in range(max_redirects + 1):
        response = await transport.handle_async_request(httpx.Request("GET", target, headers=headers))
        try:
            if response.status_code not in _REDIRECTS:
                _accept_status(response)
                return Answer(str(target), await _body(response, max_bytes), response.headers.get("content-type", ""))
            if "location" not in response.headers:
                raise _Refused(f"it answered {response.status_code} (a redirect) without saying where to")
            target = _checked(urljoin(str(target), response.headers["location"]))
        finally:
            await response.aclose()
    raise _Refused(f"it redirects more than {max_redirects} times; the last one was to {target}")


def _checked(address: str) -> httpx.URL:
    """The address without fragment, if it is one of the web's."""
    try:
        parts = urlsplit(address)
        scheme, _ = parts.scheme, parts.port  # a port that cannot be is told here; the library would only fail with it
    except ValueError:
        raise _Refused(
            f"{address[:200]!r} is not a valid address; give one such as https://site.example/page"
        ) from None
    if scheme not in ("http", "https"):
        raise _Refused(f"the scheme {scheme!r} of {address[:200]} is not read; give an http or https address")
    url = httpx.URL(address)
    if url.userinfo:
        raise _Refused("addresses with a user name or password are not read; leave them out")
    if not url.host:
        raise _Refused(f"{address[:200]!r} names no host; give an address such as https://site.example/")
    return url.copy_with(fragment=None, raw_path=url.raw_path or b"/")


def _accept_status(response: httpx.Response) -> None:
    code = response.status_code
    if code < HTTPStatus.OK or code >= HTTPStatus.MULTIPLE_CHOICES:
        name = f" ({HTTPStatus(code).phrase})" if code in HTTPStatus._value2member_map_ else ""
        raise _Refused(f"the site answered {code}{name}; try another page of the site")


async def _body(response: httpx.Response, limit: int) -> bytes:
    """The body after decompression, counted while it comes in: a small body can unpack to a huge one."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise _Refused(f"it is compressed as {encoding[:40]!r}, which was not asked for")
    unpack = zlib.decompressobj(wbits=47) if encoding not in ("identity", "") else None
    body, received = bytearray(), 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        if unpack is None:
            body += chunk
        else:
            if received == len(chunk) and encoding == "deflate" and chunk[:1] and chunk[0] & 0x0F != zlib.DEFLATED:
                unpack = zlib.decompressobj(wbits=-15)  # many servers send deflate without the zlib header
            body += unpack.decompress(unpack.unconsumed_tail + chunk, limit + 1 - len(body))
        if len(body) > limit or received > limit:
            raise _Refused(f"it is larger than {limit / 1e6:g} MB; read a smaller page of the site")
    return bytes(body)


def _failure(error: Exception) -> str:
    """What went wrong, in words that do not depend on the library."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({cause.verify_message}); the site's owner has to renew it"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return "no connection could be made; the site is down, or the address is wrong"
    if isinstance(error, httpx.InvalidURL):
        return f"it is not a valid address ({error}); give one such as https://site.example/page"
    if isinstance(error, zlib.error):
        return "its compressed body is broken; try again later, or another page"
    return f"the connection broke ({type(error).__name__}: {error}); try again later"

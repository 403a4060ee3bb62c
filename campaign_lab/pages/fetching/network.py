"""The way to the network: which addresses may be read, and a connection to exactly the address that was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import httpx

from campaign_lab.errors import PageError
from campaign_lab.pages.fetching.limits import FetchedResponse
from campaign_lab.pages.fetching.network_settings import Proxy, Refused, certificates, proxy_for, transport

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]

USER_AGENT = "campaign_lab"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NUMERIC = re.compile(r"(?:.*\.)?(?:0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)
"""A host that is an address in numbers, however it is written."""
_LOOKUP_S = 3.0
"""Seconds after which a name counts as unknown here, where a proxy knows names."""
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's codes for certificates that only the site's owner can mend."""


def is_public(address: IPAddress) -> bool:
    """Whether an IP address is public. Of an IPv6 address that stands for an IPv4 one, the IPv4 address is judged."""
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
    """The IP addresses of a host, from the operating system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Network:
    """The rules of a reading: who is asked for addresses, which of them are allowed, whose certificates count."""

    allowed: Callable[[IPAddress], bool] | None = is_public
    """None allows every address."""
    resolve: Resolver = system_resolver
    tls: ssl.SSLContext | None = None

    async def get(self, url: str, *, max_bytes: int, max_redirects: int, accept: str = "text/html") -> FetchedResponse:
        """Reads an address. Raises PageError with a reason for the reader for whatever is refused or fails."""
        try:
            # A transport, not a client: it keeps no cookies, follows no redirects, and its environment is what we pass on.
            async with _Pinned(self) as pinned:
                return await _follow(pinned, url, accept, max_bytes=max_bytes, max_redirects=max_redirects)
        except Refused as error:
            raise PageError(url, str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, zlib.error, ValueError, OSError) as error:
            raise PageError(url, _failure(error)) from None


class _Pinned(httpx.AsyncBaseTransport):
    """Resolves the host, checks every address, and connects to one of those: nothing is looked up a second time.

    Where a proxy stands between, the proxy looks the name up again; what is private as seen from here it is not asked for.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tls = network.tls or certificates()
        self._inner = transport(self._tls)
        self._proxied: dict[Proxy, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        if proxy := proxy_for(request.url):
            await self._check_from_here(host, port)
            return await self._through(proxy, request)
        failure: httpx.TransportError = Refused(f"the host {host!r} has no address")
        for address in await self._addresses(host, port):
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

    async def _through(self, proxy: Proxy, request: httpx.Request) -> httpx.Response:
        """The answer by way of a proxy, whose own address may be private. Its failures name it, without its password."""
        if proxy not in self._proxied:
            self._proxied[proxy] = proxy.transport(self._tls)
        try:
            response = await self._proxied[proxy].handle_async_request(request)
        except httpx.ProxyError as error:
            code = str(error)[:3]
            raise Refused(_by_proxy(proxy, int(code) if code.isdecimal() else 0)) from None
        except httpx.ConnectError as error:
            if _tls_error(error):
                raise
            reason = f"the proxy {proxy.name} does not answer; mend HTTP_PROXY and HTTPS_PROXY, or unset them"
            raise Refused(reason) from None
        if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            await response.aclose()
            raise Refused(_by_proxy(proxy, response.status_code))
        return response

    async def _check_from_here(self, host: str, port: int) -> None:
        """Refuses what is private as seen from here. A name that is not known here may be known to the proxy."""
        try:
            async with asyncio.timeout(_LOOKUP_S):
                self._check(host, await self._network.resolve(host, port))
        except (OSError, UnicodeError):  # a TimeoutError is one
            if _NUMERIC.fullmatch(host) or ":" in host:
                raise Refused(f"the address {host!r} is not a public one; give the site's name") from None

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await self._network.resolve(host, port)
        except (OSError, UnicodeError):
            advice = "check its spelling, or set HTTPS_PROXY if your network has a proxy"
            raise Refused(f"the host name {host!r} is not known; {advice}") from None
        self._check(host, found)
        return found

    def _check(self, host: str, found: list[str]) -> None:
        for text in found:
            address = ipaddress.ip_address(text.partition("%")[0])
            if self._network.allowed and not self._network.allowed(address):
                where = f"{host} is" if host == text else f"{host} is at {address}, which is"
                advice = "if it is your own site, set allow_private_addresses = true in the brief"
                raise Refused(f"{where} not a public address; {advice}")

    async def aclose(self) -> None:
        for inner in (self._inner, *self._proxied.values()):
            await inner.aclose()


async def _follow(pinned: _Pinned, url: str, accept: str, *, max_bytes: int, max_redirects: int) -> FetchedResponse:
    headers = {"User-Agent": USER_AGENT, "Accept": f"{accept},*/*;q=0.1", "Accept-Encoding": "gzip, deflate"}
    target = _checked(url)
    for _ in range(max_redirects + 1):
        response = await pinned.handle_async_request(httpx.Request("GET", target, headers=headers))
        try:
            if response.status_code not in _REDIRECTS:
                _accept_status(response)
                return FetchedResponse(
                    str(target), await _body(response, max_bytes), response.headers.get("content-type", "")
                )
            if "location" not in response.headers:
                raise Refused(f"it answered {response.status_code} (a redirect) without saying where to")
            target = _checked(urljoin(str(target), response.headers["location"]))
        finally:
            await response.aclose()
    raise Refused(f"it redirects more than {max_redirects} times; the last one was to {target}")


def _checked(address: str) -> httpx.URL:
    """The address without fragment, if it is one of the web's."""
    try:
        parts = urlsplit(address)
        scheme, _ = parts.scheme, parts.port  # a port that cannot be is told here; the library would only fail with it
    except ValueError:
        reason = f"{address[:200]!r} is not a valid address; give one such as https://site.example/page"
        raise Refused(reason) from None
    if scheme not in ("http", "https"):
        raise Refused(f"the scheme {scheme!r} of {address[:200]} is not read; give an http or https address")
    url = httpx.URL(address)
    if url.userinfo:
        raise Refused("addresses with a user name or password are not read; leave them out")
    if not url.host:
        raise Refused(f"{address[:200]!r} names no host; give an address such as https://site.example/")
    return url.copy_with(fragment=None, raw_path=url.raw_path or b"/")


def _accept_status(response: httpx.Response) -> None:
    code = response.status_code
    if code < HTTPStatus.OK or code >= HTTPStatus.MULTIPLE_CHOICES:
        raise Refused(f"the site answered {_named(code)}; try another page of the site")


async def _body(response: httpx.Response, limit: int) -> bytes:
    """The body after decompression. Its size is checked while it arrives, because a small body can unpack to a huge one."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise Refused(f"it is compressed as {encoding[:40]!r}, which was not asked for")
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
            raise Refused(f"it is larger than {limit / 1e6:g} MB; read a smaller page of the site")
    return bytes(body)


def _failure(error: Exception) -> str:
    """What went wrong, in words that do not depend on the library."""
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({tls.verify_message}); {_advice(tls.verify_code)}"
    if isinstance(error, httpx.ConnectError):
        return "no connection could be made; the site is down, or the address is wrong"
    if isinstance(error, httpx.InvalidURL):
        return f"it is not a valid address ({error}); give one such as https://site.example/page"
    if isinstance(error, zlib.error):
        return "its compressed body is broken; try again later, or another page"
    return f"the connection broke ({type(error).__name__}: {error}); try again later"


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The failure of encryption that is behind an error, if one is."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _advice(verify_code: int) -> str:
    """What helps against a certificate that was not accepted, by OpenSSL's code for why."""
    if verify_code in (_EXPIRED, _NOT_YET):
        return "the site's owner has to renew it"
    if verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        return "check the address, or tell the site's owner"
    return "if your network puts certificates of its own in between, name their file in SSL_CERT_FILE; else tell the site's owner"


def _by_proxy(proxy: Proxy, code: int) -> str:
    """The error for a refusal by the proxy, with the status number only: anybody may have written the words beside it."""
    wants_password = code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    advice = "put user and password into its url" if wants_password else "ask who runs it, or name the host in NO_PROXY"
    return f"the proxy {proxy.name} refused it with {_named(code)}; {advice}"


def _named(code: int) -> str:
    """The status with its standard name, where it has one."""
    return f"{code} ({HTTPStatus(code).phrase})" if code in HTTPStatus._value2member_map_ else str(code)

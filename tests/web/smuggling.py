"""Requests that two parsers might take apart differently (E11): each must be refused and its connection closed."""

HOST = b"Host: x\r\n"

CORPUS: dict[str, bytes] = {
    "length and chunked": b"POST /e HTTP/1.1\r\n" + HOST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "two equal lengths": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "list of lengths": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nabcde",
    "signed length": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nabcde",
    "negative length": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\nabcde",
    "hexadecimal length": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\nabcde",
    "huge length": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nabcde",
    "space before the colon": b"POST /e HTTP/1.1\r\n" + HOST + b"Content-Length : 5\r\n\r\nabcde",
    "unknown coding": b"POST /e HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"POST /e HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "vertical tab in the coding": b"POST /e HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /e HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "body on GET": b"GET /e HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nabcde",
    "chunked GET": b"GET /e HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "body on HEAD": b"HEAD /e HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nabcde",
    "folded header": b"GET /e HTTP/1.1\r\n" + HOST + b"X-A: b\r\n c\r\n\r\n",
    "bare line feeds": b"GET /e HTTP/1.1\nHost: x\n\n",
    "bare carriage return": b"GET /e HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n",
    "NUL in a header": b"GET /e HTTP/1.1\r\n" + HOST + b"X-A: b\x00c\r\n\r\n",
    "NUL in a name": b"GET /e HTTP/1.1\r\n" + HOST + b"X\x00A: b\r\n\r\n",
    "two hosts": b"GET /e HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "no host": b"GET /e HTTP/1.1\r\n\r\n",
    "header without a name": b"GET /e HTTP/1.1\r\n" + HOST + b": b\r\n\r\n",
    "header without a colon": b"GET /e HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n",
    "long target": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "long header": b"GET /e HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 9000 + b"\r\n\r\n",
    "many headers": b"GET /e HTTP/1.1\r\n" + HOST + b"X-A: b\r\n" * 200 + b"\r\n",
    "other protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "other version": b"GET /e HTTP/x.y\r\n" + HOST + b"\r\n",
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "missing version": b"GET /e\r\n" + HOST + b"\r\n",
    "space in the target": b"GET /e /f HTTP/1.1\r\n" + HOST + b"\r\n",
    "bad method": b"G(T /e HTTP/1.1\r\n" + HOST + b"\r\n",
}  # fmt: skip

#: A body whose framing breaks off after the head was good: refused or cut, never taken as whole.
BROKEN_BODIES: dict[str, bytes] = {
    "huge chunk size": b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "chunk size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size in hexadecimal prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk without its end": b"3\r\nabcXX0\r\n\r\n",
    "chunk size with a line feed only": b"3\nabc\n0\n\n",
    "no chunk size": b"\r\nabc\r\n0\r\n\r\n",
}

"""The answer to XML-RPC: a fault, whatever is asked (sheet, sections 2 and 17).

HTTP 200 with `text/xml`: at a plain 404 `pip search` dies with a traceback. The request is not parsed as XML,
only its method's name is looked for, so no entity or depth in it can do harm.
"""

import re
from html import escape

CONTENT_TYPE = "text/xml"
_METHOD = re.compile(rb"<methodName>\s*([A-Za-z0-9_.:/]{1,64})\s*</methodName>")
#: Of the request; a method's name stands at its beginning.
_LOOKED_AT_BYTES = 4096
#: "Server error", as in the fault codes that everybody uses.
_CODE = -32500


def fault(request: bytes) -> bytes:
    """Return the body of the answer."""
    match = _METHOD.search(request[:_LOOKED_AT_BYTES])
    method = match[1].decode("ascii") if match else "this method"
    reason = (
        f"RuntimeError: this feed does not offer XML-RPC ({method}). "
        "Browse its /simple/ pages instead, or search on the website of the index."
    )
    return (
        "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n"
        f"<member><name>faultCode</name><value><int>{_CODE}</int></value></member>\n"
        f"<member><name>faultString</name><value><string>{escape(reason)}</string></value></member>\n"
        "</struct></value>\n</fault>\n</methodResponse>\n"
    ).encode("ascii")

import xmlrpc.client

import pytest

from proxy.pypi import xmlrpc as feed_xmlrpc


@pytest.mark.parametrize(
    ("request_body", "method"),
    [
        (xmlrpc.client.dumps(({"name": "foo"}, "or"), "search").encode(), "search"),
        (b"<methodCall><methodName> list_packages </methodName></methodCall>", "list_packages"),
        (b"", "this method"),
        (b"<methodName>" + b"x" * 5000 + b"</methodName>", "this method"),
        (b"<methodName><script></methodName>", "this method"),
        (b"\xff\x00", "this method"),
    ],
)
def test_every_call_gets_a_fault_that_clients_can_read(request_body: bytes, method: str) -> None:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(feed_xmlrpc.fault(request_body))
    assert caught.value.faultCode == -32500
    assert f"({method})" in caught.value.faultString
    assert "does not offer XML-RPC" in caught.value.faultString

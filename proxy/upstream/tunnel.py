"""The tunnel: what `feedgate doctor` asks an outbound proxy for, and what its answer to CONNECT means. Pure."""

from proxy.upstream.hop import Hop, StepFailed
from proxy.upstream.route import OutboundProxy
from proxy.upstream.target import Target

_OUR_SCHEME = "basic"


def request(target: Target, proxy: OutboundProxy) -> bytes:
    """Return the CONNECT that opens a tunnel to the target."""
    place = _place(target)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization.reveal()}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def hops(answer: bytes, proxy: OutboundProxy, target: Target) -> list[Hop]:
    """Return the steps that an answer to CONNECT shows to be done; raise StepFailed for any but a tunnel."""
    lines = answer.decode("latin-1").split("\r\n")
    code = lines[0].split(" ")[1:2] if lines[0].startswith("HTTP/") else []
    fields = [line.partition(":") for line in lines[1:]]
    challenges = ", ".join(v.strip() for name, _, v in fields if name.lower() == "proxy-authenticate")
    match code:
        case [status] if status.startswith("2"):
            asked = f"user {proxy.user} is let through" if proxy.user is not None else "no user is asked for"
            return [
                Hop("proxy", True, f"{proxy.url} opened a tunnel to {_place(target)}"),
                Hop("proxy authentication", True, asked),
            ]
        case ["407" | "401" as status]:
            raise StepFailed("proxy authentication", refusal(challenges, proxy, status))
        case [status] if status.isdigit():
            raise StepFailed(
                "proxy", f"{proxy.url} answered {status[:3]} to CONNECT {_place(target)}", _advice(status)
            )
        case _:
            said = (
                "closed the connection without an answer" if not answer else "answered with what is no HTTP"
            )
            raise StepFailed(
                "proxy", f"{proxy.url} {said} to CONNECT", "is it an http proxy, and on this port?"
            )


def refusal(challenges: str, proxy: OutboundProxy | None, status: str = "407") -> str:
    """Say whom the proxy refused, and whether it takes what we can send."""
    user = proxy.user if proxy is not None else None
    told = f"the outbound proxy refused the user {user} or the password" if user is not None else (
        "the outbound proxy wants a user and a password, and the route has none"
    )  # fmt: skip
    offered = [part.split(" ")[0] for part in challenges.replace(",", " ,").split(", ") if part.strip()]
    schemes = [name for name in offered if name.isalpha()]
    if schemes and not any(name.lower() == _OUR_SCHEME for name in schemes):
        return (
            f"{told} ({status}); it takes {', '.join(dict.fromkeys(schemes))} only, and feedgate speaks Basic"
        )
    return f"{told} ({status})"


def _advice(status: str) -> str:
    if status.startswith("5"):
        return "the proxy could not reach the origin: check the url, and the proxy's own way out and name service"
    if status in ("403", "405"):
        return "have the outbound proxy let this host and port through, or choose another route"
    return ""


def _place(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}"

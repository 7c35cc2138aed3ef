"""What is noted of a channel beside its generations: the subdirs ever shown, and what was shown as it came."""

import msgspec

from proxy.artifacts.notes import Notes

_PLACE = msgspec.msgpack.Decoder(tuple[str, str])
#: A generation: its folder, its stem.
Place = tuple[str, str]


class ChannelNotes:
    """The notes of one feed."""

    def __init__(self, feed: str, notes: Notes) -> None:
        self._feed = feed
        self._notes = notes
        #: The subdirs that were ever shown; None: not read yet.
        self._shown: frozenset[str] | None = None
        self._plain: dict[str, Place] = {}

    async def ever_shown(self) -> frozenset[str]:
        """Return the subdirs of which a composed generation was ever shown."""
        if self._shown is None:
            data = await self._notes.get(f"shown/{self._feed}") or b""
            self._shown = frozenset(data.decode("ascii").split() if data.isascii() else ())
        return self._shown

    async def note_shown(self, subdir: str) -> None:
        shown = await self.ever_shown()
        if subdir not in shown:
            self._shown = shown | {subdir}
            await self._notes.set(f"shown/{self._feed}", " ".join(sorted(self._shown)).encode("ascii"))

    async def note_plain(self, subdir: str, place: Place) -> bool:
        """Note what is shown as it came: clients go on to ask for its shards when the feed gets a policy.

        Tell whether that is news in this process.
        """
        if self._plain.get(subdir) == place:
            return False
        self._plain[subdir] = place
        await self._notes.set(self._plain_note(subdir), msgspec.msgpack.encode(place))
        return True

    async def shown_plain(self, subdir: str) -> tuple[Place, ...]:
        """Return what was shown as it came, if anything."""
        data = await self._notes.get(self._plain_note(subdir))
        try:
            return (_PLACE.decode(data),) if data else ()
        except msgspec.DecodeError:
            return ()

    async def forget_plain(self, subdir: str) -> None:
        self._plain.pop(subdir, None)
        await self._notes.delete(self._plain_note(subdir))

    def _plain_note(self, subdir: str) -> str:
        return f"plain/{self._feed}/{subdir}"

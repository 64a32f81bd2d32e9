"""One run, one writer: a file `.lock` in its directory says who writes there.

It comes into being by a link, which network file systems, too, make for one process only, and its
time is renewed while that process lives. A lock is stale if its process is gone: on this machine
that is seen at once; on another one, or in another container, by a time that nobody renews.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from gantrain.errors import UserError
from gantrain.files import temporary, unwritten
from gantrain.processes import MACHINE, alive, started
from gantrain.progress import phase
from gantrain.reading import natural, parse_json, regular

NAME = ".lock"
# Seconds: between two renewals; without one for so long nobody is there; between two looks.
BEAT, STALE, LOOK = 10.0, 90.0, 0.5


class Lock:
    """The lock of a directory, held from `take` to `release`.

    Args:
        directory: of a run; it is made if it is not there.
    """

    def __init__(self, directory: Path):
        self.path, self._over, self._made = directory / NAME, threading.Event(), []
        own = {"machine": MACHINE, "pid": os.getpid(), "start": started(os.getpid())}
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._own = json.dumps(own | {"host": platform.node(), "since": since}) + "\n"
        self._place: int | None = None

    def take(self, wait: bool = False) -> None:
        """Takes the lock.

        Args:
            wait: until nobody else has it.

        Raises:
            UserError: somebody else has it, or it cannot be written.
        """
        folders = (self.path.parent, *self.path.parent.parents)
        self._made = [folder for folder in folders if not folder.exists()]
        if not self._linked():
            with phase("other", f"waiting for {self.path}"):
                self._queue(wait)
        if os.name == "posix":
            # Leads to the directory wherever it is moved.
            self._place = os.open(self.path.parent, os.O_RDONLY)
        threading.Thread(target=self._renew, daemon=True).start()

    def _queue(self, wait):
        seen, since = None, 0.0
        while not self._linked():
            found = self._read() or ("", 0)
            owner = _parsed(found[0])
            lives = alive(owner["pid"], owner["start"]) if owner["machine"] == MACHINE else None
            if lives is None and seen is not None:
                # Who cannot be asked shows that he lives by renewing.
                lives = True if found != seen else time.monotonic() - since < STALE and None
            if found != seen:
                seen, since = found, time.monotonic()
            if lives and not wait:
                raise UserError(
                    f"{self.path.parent}: process {owner['pid']} on {owner['host']} writes there "
                    f"since {owner['since']}; wait for its end or choose another --run_dir"
                )
            if lives is False:
                self._remove(found[0])
            else:
                time.sleep(LOOK)

    def _linked(self):
        """Makes the file in one step; False if it is there."""
        own = temporary(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                own.write_text(self._own)
            except FileNotFoundError:
                # Whoever made the directory has given it back empty.
                return False
            try:
                os.link(own, self.path)
            except FileExistsError:
                # The answer to a first try of the network may have been lost.
                return own.stat().st_nlink > 1
            except OSError:
                # A file system without links.
                with open(self.path, "x") as file:
                    file.write(self._own)
            return True
        except FileExistsError:
            return False
        except OSError as error:
            raise unwritten(self.path, error) from error
        finally:
            with suppress(OSError):
                own.unlink()

    def _read(self):
        """(text, time of the last renewal), or None where there is no lock."""
        try:
            regular(self.path)
            # Opening a file asks a network file system anew.
            with open(self.path, errors="replace") as file:
                return file.read(), os.fstat(file.fileno()).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _remove(self, text):
        """Removes the lock that says so, and none that has come in its place meanwhile."""
        aside = temporary(self.path)
        with suppress(OSError):
            os.rename(self.path, aside)
            if aside.read_text(errors="replace") != text:
                os.link(aside, self.path)
            aside.unlink()

    def _renew(self):
        while not self._over.wait(BEAT):
            if self.held:
                with suppress(OSError):
                    os.utime(self.path)

    @property
    def held(self) -> bool:
        """Whether the lock is there and says this process, as far as can be known."""
        try:
            return (self._read() or ("",))[0] == self._own
        except OSError as error:
            # A server that does not answer has not given it away.
            return error.errno != errno.ESTALE

    @property
    def moved(self) -> Path | None:
        """Where the directory is now, if it was moved and that can be known."""
        with suppress(OSError):
            place = Path(os.readlink(f"/proc/self/fd/{self._place}"))
            if (place / NAME).read_text() == self._own:
                return place
        return None

    def again(self) -> None:
        """Makes the lock of a directory that has come in the place of the old one."""
        self.release()
        self._over = threading.Event()
        self.take()

    def regain(self) -> bool:
        """Makes the lock again where somebody has removed it and nothing else."""
        return self.path.parent.exists() and self._linked()

    def release(self) -> None:
        """Gives it back; a directory in which nothing was written goes with it."""
        self._over.set()
        if self._place is not None:
            os.close(self._place)
            self._place = None
        with suppress(OSError):
            if self.held:
                self.path.unlink()
            for folder in self._made:
                folder.rmdir()


def _parsed(text):
    """What a lock says; nothing of a process if it is no whole one."""
    unknown = dict.fromkeys(("machine", "pid", "start", "host", "since"), "?")
    try:
        return unknown | parse_json(text, {"pid": lambda pid: natural(pid) and pid < 2**31})
    except ValueError:
        return unknown

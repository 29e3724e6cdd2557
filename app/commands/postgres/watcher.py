"""A process that stops a server if the process that owns the server was killed."""

import subprocess
from contextlib import suppress
from typing import IO

from app.commands.postgres.files import Account

SCRIPT = """
read -r server && [ "$server" ] || exit
read -r _ && exit
kill -INT "$server"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    kill -0 "$server" || exit
done
kill -QUIT "$server"
"""
"""Read the server's process ID, then a line that says that the server has ended.

If the pipe ends instead, its owner has ended: stop the server, after 10 s without a checkpoint.
"""
ANNOUNCED = ("/bin/sh", "-c", 'echo "$$"; exec "$0" "$@" >&2')
"""Start of a command that prints its process ID, and then becomes the server.

So the watcher knows the process ID before there is a server.
"""


class Watcher:
    """Holds one end of a pipe; the other end is closed when this process ends, however it ends.

    It runs as the account of the server, in a session of its own, so that neither Ctrl-C nor a
    signal to the owner's process group ends it.
    """

    def __init__(self, account: Account) -> None:
        # The pipe's other end is closed on exec, so that no worker keeps it open.
        self._process = subprocess.Popen(  # noqa: S603
            ("/bin/sh", "-c", SCRIPT),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            **account,
        )

    @property
    def pipe(self) -> IO[bytes]:
        """The pipe that takes the server's process ID."""
        assert self._process.stdin
        return self._process.stdin

    def dismiss(self) -> None:
        """End the watcher. The server must have ended, but not have been waited for.

        Until then, no other process can get its process ID.
        """
        if not self.pipe.closed:
            with suppress(BrokenPipeError), self.pipe:
                self.pipe.write(b"\n")
        self._process.wait()

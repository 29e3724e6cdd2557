"""nginx in front of the service, started from the installed package in a folder of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.commands.postgres.server import moments

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")

# One process, so that it runs as the account of the tests, which owns the folder.
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{inside}
}}
"""


@contextmanager
def nginx(inside: str) -> Iterator[Path]:
    """Run nginx with some configuration inside of ``http``; yield the socket that it listens on.

    ``listen 80`` in the configuration becomes that socket.
    """
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="crossfit-") as name:
        folder = Path(name)
        own = folder / "socket"
        inside = inside.replace("listen 80;", f"listen unix:{own};")
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, inside=inside))
        command = [PROGRAM, "-p", name, "-c", str(configuration), "-e", str(folder / "log")]
        process = subprocess.Popen(command, start_new_session=True)  # noqa: S603
        try:
            _await_start(process, folder)
            yield own
        finally:
            process.terminate()
            process.wait(10)


def _await_start(process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in moments(10):
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(folder / "socket"))
            return
        if process.poll() is not None:
            break
    raise RuntimeError(f"nginx does not start: {(folder / 'log').read_text()}")

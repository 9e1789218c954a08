"""Have a program run by a forked process (see warm.py), and end as it ends.

It is started without site packages, so that it takes a hundredth of what it saves.
"""

import json
import os
import signal
import socket
import struct
import sys

PASSED = {number: number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
PASSED[signal.SIGUSR1] = signal.SIGKILL  # which nobody can pass on


def open_descriptors() -> list[int]:
    """Those of 0, 1, 2 that are open."""
    found = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def main(place: str, *words: str) -> None:
    """Ask the process that listens at a place; die by the signal by which the program died."""
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED)
    given = open_descriptors()
    asked = {
        "words": words,
        "folder": os.getcwd(),  # noqa: PTH109 - pathlib takes as long to import as all else
        "environment": dict(os.environ),
        "files": given,
    }
    body = json.dumps(asked).encode("utf-8", "surrogateescape")
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(place)
        socket.send_fds(line, [struct.pack("!I", len(body))], given)
        line.sendall(body)
        (program,) = struct.unpack("!i", line.recv(4, socket.MSG_WAITALL))
        for number in PASSED:
            signal.signal(number, lambda number, _: os.kill(program, PASSED[number]))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED)
        told = line.recv(4, socket.MSG_WAITALL)
    (code,) = struct.unpack("!i", told) if told else (1,)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main(*sys.argv[1:])

"""Jobs that start at once: forks of a process that has imported what jobs need.

Most jobs of the small sizes take less time than the imports before them. When Snakemake starts many
jobs on this machine, it starts a server too, and says in `ADDRESS` where it listens; a command that
finds it there is run in a fork of it, with the folder, environment and streams of the command, and
its signals. Where there is no server, as on a cluster, a command runs in a process of its own.

What a job had to import beyond that, the server imports after it, for the jobs that follow. It
never has a second thread, which a fork would lose.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType

ADDRESS = "SYMBENCH_JOB_SERVER"
# A run of fewer jobs is over before a server could help.
FEWEST_JOBS = 12
# Imported before the first job: torch, xarray and what all stages need.
_FIRST = ("symbench.cli", "symbench.stages", "symbench.comparison", "symbench.figures.draw")
# Seconds between two looks for whether the one that started it is still there.
_PATIENCE = 1.0
_LONGEST_MESSAGE = 2**20


def start(files: Sequence[Path], overrides: Sequence[str]) -> None:
    """Start a server for the commands of this process's children; it ends with this process.

    Args:
        files: of the config of their run, as `read_configuration` takes them.
        overrides: likewise.

    """
    import subprocess
    import tempfile

    if sys.platform != "linux":
        return
    folder = tempfile.mkdtemp(prefix="symbench-")
    address = str(Path(folder, "jobs"))
    config = [[str(file) for file in files], list(overrides)]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    subprocess.Popen(
        [sys.executable, "-P", "-m", "symbench.job_server", address, json.dumps(config)],
        env={**os.environ, **one_thread},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ[ADDRESS] = address


def run_in_fork(arguments: Sequence[str]) -> int | None:
    """Run a command in a fork of the server, and return its exit code; None if there is no server.

    A command with several threads is none for it: linear algebra has the threads of the server.
    """
    address = os.environ.get(ADDRESS)
    if not address or os.environ.get("OMP_NUM_THREADS") != "1":
        return None
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = json.dumps([list(arguments), os.getcwd(), dict(os.environ)]).encode()
    try:
        server.connect(address)
        socket.send_fds(server, [request], [0, 1, 2])
    except OSError:
        return None

    def pass_on(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            server.send(bytes([number]))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    reply = server.recv(1)
    return reply[0] if reply else 128 + signal.SIGKILL


def serve(address: str, files: Sequence[str], overrides: Sequence[str]) -> None:
    """Fork for each command that asks, until the one that started this process is gone."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import(_FIRST)
    _fingerprint(files, overrides)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(64)
    told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        while os.getppid() == parent and threading.active_count() == 1:
            ready, _, _ = select.select([listener, told], [], [], _PATIENCE)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if told in ready:
                _import(told.recv(_LONGEST_MESSAGE).decode().splitlines())
            elif listener in ready:
                connection, _ = listener.accept()
                if not os.fork():
                    listener.close()
                    _serve_one(connection, telling)
                connection.close()
    finally:
        Path(address).unlink()
        Path(address).parent.rmdir()


def _import(names: Iterable[str]) -> None:
    for name in names:
        # A job that needs it says what is wrong with it.
        with contextlib.suppress(Exception):
            import_module(name)


def _fingerprint(files: Sequence[str], overrides: Sequence[str]) -> None:
    """Take the fingerprints of the code once; it is the code that is imported here."""
    from symbench.config.read import read_configuration

    configuration = read_configuration([Path(file) for file in files], overrides=overrides)
    for study in configuration.studies.values():
        for run in study.runs:
            _ = run.evaluation_fingerprint
        _ = study.comparison_fingerprint, study.report_fingerprint


def _serve_one(connection: socket.socket, telling: socket.socket) -> None:
    """Run one command in this fork, tell the server what it had to import, and end."""
    import tempfile

    code = 1
    try:
        request, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_MESSAGE, 3)
        arguments, folder, environment = json.loads(request)
        for stream, descriptor in enumerate(descriptors):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        # A folder of temporary files that was found in the environment of the server.
        tempfile.tempdir = None
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_obey, args=(connection,), daemon=True).start()
        sys.argv = ["symbench", *arguments]
        before = set(sys.modules)
        code = _exit_code()
        if names := [name for name in sys.modules if name not in before]:
            with contextlib.suppress(OSError):
                telling.send("\n".join(names).encode())
        connection.send(bytes([code]))
    finally:
        os._exit(code)


def _exit_code() -> int:
    """Run the command of this process as an interpreter would."""
    import traceback

    from symbench.cli import main

    try:
        main()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return (ended.code or 0) & 255
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _obey(connection: socket.socket) -> None:
    """Give this process the signals of the command that it runs for, and its end."""
    while number := connection.recv(1):
        os.kill(os.getpid(), number[0])
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(sys.argv[1], *json.loads(sys.argv[2]))

"""Jobs that start at once: forks of a process that has imported what jobs need.

Most jobs of the small sizes take less time than the imports before them. When Snakemake starts many
jobs on this machine, it starts a server too, and says in `ADDRESS` where it listens; a command that
finds it there is run in a fork of it, with the folder, environment and streams of the command, and
its signals. Where there is no server, as on a cluster, a command runs in a process of its own.

What a job had to import beyond that, the server imports after it, for the jobs that follow. It
never has a second thread, which a fork would lose.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import sys
import sysconfig
import threading
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType

ADDRESS = "SYMBENCH_JOB_SERVER"
# A run of fewer jobs is over before a server could help.
FEWEST_JOBS = 12
# Imported before the first job: torch, xarray and what all stages need.
_FIRST = (
    "symbench.cli",
    "symbench.stages.audit",
    "symbench.stages.train",
    "symbench.stages.evaluate",
    "symbench.comparison",
    "symbench.figures.draw",
)
# Seconds between two looks for whether the one that started it is still there.
_PATIENCE = 1.0
_LONGEST_MESSAGE = 2**20
# Of a socket in a folder (unix(7)).
_LONGEST_ADDRESS = 107
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
# A server is for commands of its own code and environment.
THIS_CODE = f"{sys.prefix}:{__file__}"


def start(files: Sequence[Path], overrides: Sequence[str], studies: Sequence[str]) -> None:
    """Start a server for the commands of this process's children; it ends with this process.

    Args:
        files: of the config of their run, as `read_configuration` takes them.
        overrides: likewise.
        studies: names of those that are run.

    """
    import subprocess
    import tempfile

    if sys.platform != "linux":
        return
    try:
        folder = tempfile.mkdtemp(prefix="symbench-")
    except OSError:
        return
    address = str(Path(folder, "jobs"))
    if len(os.fsencode(address)) > _LONGEST_ADDRESS:
        os.rmdir(folder)
        return
    config = json.dumps([[str(file) for file in files], list(overrides), list(studies)])
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    subprocess.Popen(
        [sys.executable, "-P", "-m", "symbench.job_server", str(os.getpid()), address, config],
        env={**os.environ, **one_thread},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Signals of a terminal or a group reach a job once, by its command.
        start_new_session=True,
    )
    os.environ[ADDRESS] = f"{address}:{THIS_CODE}"


def run_in_fork(arguments: Sequence[str]) -> int | None:
    """Run a command in a fork of the server, and return its exit code; None if there is no server.

    A command with several threads is none for it: linear algebra has the threads of the server.
    """
    address, _, code = os.environ.get(ADDRESS, "").partition(":")
    if not address or code != THIS_CODE or os.environ.get("OMP_NUM_THREADS") != "1":
        return None
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        request = json.dumps([list(arguments), os.getcwd(), dict(os.environ)]).encode()
        # Below 3 where a stream is closed.
        if server.fileno() < 3:
            return None
        server.connect(address)
        socket.send_fds(server, [request], [0, 1, 2])
        if not server.recv(1):
            return None
    except OSError:
        return None

    def pass_on(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            server.send(bytes([number]))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    reply = b""
    with contextlib.suppress(OSError):
        reply = server.recv(1)
    return reply[0] if reply else 128 + signal.SIGKILL


def serve(
    parent: int,
    address: str,
    files: Sequence[str],
    overrides: Sequence[str],
    studies: Sequence[str],
) -> None:
    """Fork for each command that asks, until the one that started this process is gone.

    It ends where a fork would not be what a process of its own is: when a second thread runs, or
    when a source was changed of which it holds the code and the fingerprint. Commands that wait
    then run on their own.
    """
    try:
        _import(_FIRST)
        _fingerprint(files, overrides, studies)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(address)
        listener.listen(64)
        told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        while os.getppid() == parent and len(os.listdir("/proc/self/task")) == 1:
            ready, _, _ = select.select([listener, told], [], [], _PATIENCE)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if told in ready:
                _import(told.recv(_LONGEST_MESSAGE).decode().splitlines())
            elif listener in ready:
                if _has_changed():
                    break
                connection, _ = listener.accept()
                sys.stdout.flush()
                if not os.fork():
                    listener.close()
                    _serve_one(connection, telling)
                connection.close()
    finally:
        Path(address).unlink(missing_ok=True)
        Path(address).parent.rmdir()


def _has_changed() -> bool:
    """Whether a source is no longer what fingerprints were taken of."""
    from symbench.config.code import SOURCES

    try:
        return any(path.stat().st_mtime_ns != then for path, then in SOURCES.items())
    except OSError:
        return True


def _is_ours(name: str) -> bool:
    """Whether a module is of this package or an installed one; those of users may do anything."""
    file = getattr(sys.modules[name], "__file__", None) or ""
    return name.startswith("symbench.") or file.startswith(_INSTALLED)


def _import(names: Iterable[str]) -> None:
    for name in names:
        # A job that needs it says what is wrong with it.
        with contextlib.suppress(Exception):
            import_module(name)


def _fingerprint(files: Sequence[str], overrides: Sequence[str], studies: Sequence[str]) -> None:
    """Take the fingerprints of the code once; it is the code that is imported here."""
    from symbench.config.read import read_configuration
    from symbench.config.registry import add_working_folder

    add_working_folder()
    paths = [Path(file) for file in files]
    configuration = read_configuration(paths, studies, overrides=overrides)
    for study in configuration.studies.values():
        for run in study.runs:
            _ = run.evaluation_fingerprint
        _ = study.comparison_fingerprint, study.report_fingerprint


def _serve_one(connection: socket.socket, telling: socket.socket) -> None:
    """Run one command in this fork, tell the server what it had to import, and end."""
    import random
    import tempfile

    import numpy
    import torch

    code = 1
    try:
        if torch.cuda._is_in_bad_fork():
            return
        request, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_MESSAGE, 3)
        arguments, folder, environment = json.loads(request)
        connection.send(b"\0")
        atexit._clear()
        # Code of users without a seed draws something else in each process.
        for draw_seed in (random.seed, numpy.random.seed, torch.seed):
            draw_seed()
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
        if names := [name for name in sys.modules if name not in before and _is_ours(name)]:
            with contextlib.suppress(OSError):
                telling.send("\n".join(names).encode())
        atexit._run_exitfuncs()
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
    serve(int(sys.argv[1]), sys.argv[2], *json.loads(sys.argv[3]))

"""Commands that run in forks of a server: streams, exit codes, signals, and what is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from symbench import job_server
from symbench.costs import read_costs, recorded
from symbench.provenance import measure

# Commands that a test needs; all else is the server's own.
SERVER = """
import os, signal, sys, time
import symbench.cli
from pathlib import Path
from symbench import job_server
from symbench.config import code

def main():
    match sys.argv[1]:
        case "say":
            print(sys.stdin.read(), os.getcwd(), os.environ.get("SAID"), *sys.argv[2:])
            print("aside", file=sys.stderr)
        case "exit":
            sys.exit(int(sys.argv[2]))
        case "fail":
            raise RuntimeError("a fault")
        case "import":
            print("colorsys" in sys.modules)
            import colorsys
        case "mine":
            sys.path.insert(0, os.getcwd())
            print("mine" in sys.modules)
            import mine
        case "draw":
            import random, numpy, torch
            print(random.random(), numpy.random.rand(), float(torch.rand(())))
        case "wait":
            print(os.getpid(), flush=True)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            time.sleep(60)

symbench.cli.main = main
code.SOURCES[Path(sys.argv[2])] = Path(sys.argv[2]).stat().st_mtime_ns
job_server._FIRST = ("symbench.cli", "symbench.nowhere")
job_server._fingerprint = lambda *_: None
job_server.serve(os.getppid(), sys.argv[1], [], [], [])
"""
CLIENT = [sys.executable, "-m", "symbench"]


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    address = tmp_path_factory.mktemp("server") / "own" / "jobs"
    address.parent.mkdir()
    source = address.parents[1] / "source.py"
    source.write_text("VALUE = 1")
    # As the server is started: libraries of linear algebra have no threads of their own.
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-c", SERVER, str(address), str(source)]
    process = subprocess.Popen(words, env=alone)
    wait_for(address.exists)
    yield {
        **os.environ,
        job_server.ADDRESS: f"{address}:{job_server.THIS_CODE}",
        "OMP_NUM_THREADS": "1",
        "SOURCE": str(source),
    }
    process.kill()
    process.wait()


def command(environment, *arguments, **options):
    options = {"capture_output": True, "text": True, "timeout": 60, **options}
    return subprocess.run([*CLIENT, *arguments], env=environment, **options)


def test_a_command_has_its_own_folder_environment_and_streams(environment, tmp_path):
    environment = {**environment, "SAID": "so"}
    done = command(environment, "say", "a b", cwd=tmp_path, input="given")
    assert (done.returncode, done.stderr) == (0, "aside\n")
    assert done.stdout == f"given {tmp_path} so a b\n"


def test_exit_codes_and_faults(environment):
    assert [command(environment, "exit", str(code)).returncode for code in (0, 3, 143)] == [
        0,
        3,
        143,
    ]
    failed = command(environment, "fail")
    assert failed.returncode == 1
    assert "RuntimeError: a fault" in failed.stderr


def test_what_one_job_imports_the_next_ones_have(environment):
    assert command(environment, "import").stdout == "False\n"
    assert command(environment, "import").stdout == "True\n"


def waiting(environment):
    client = subprocess.Popen([*CLIENT, "wait"], env=environment, stdout=subprocess.PIPE, text=True)
    return client, int(client.stdout.readline())


def is_gone(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")")[1].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_signal_reaches_the_fork(environment):
    client, fork = waiting(environment)
    time.sleep(0.2)
    client.send_signal(signal.SIGTERM)
    assert client.wait(30) == 143
    wait_for(lambda: is_gone(fork))


def test_a_fork_ends_with_its_command_and_the_other_way_round(environment):
    client, fork = waiting(environment)
    client.kill()
    wait_for(lambda: is_gone(fork))
    client.wait()
    client, fork = waiting(environment)
    os.kill(fork, signal.SIGKILL)
    assert client.wait(30) == 128 + signal.SIGKILL


def test_without_a_server_a_command_runs_on_its_own(environment, tmp_path):
    nowhere = {**environment, job_server.ADDRESS: f"{tmp_path}/jobs:{job_server.THIS_CODE}"}
    threads = {**environment, "OMP_NUM_THREADS": "2"}
    for other in (nowhere, threads):
        # The real commands, of which "say" is none.
        assert "No such command 'say'" in command(other, "say").stderr


def test_a_server_ends_with_the_process_that_started_it(tmp_path):
    code = """
import time
from pathlib import Path
from symbench import job_server
job_server.start([Path("config/sizes/smoke.yaml")], [], ["quantum"])
import os
while not Path(os.environ[job_server.ADDRESS].split(":")[0]).exists(): time.sleep(0.1)
print(os.environ[job_server.ADDRESS])
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path))
    wait_for(lambda: not list(tmp_path.iterdir()))


def test_costs_are_recorded_by_the_job(tmp_path):
    with recorded(tmp_path / "train" / "a.tsv"):
        with measure() as first:
            assert len(bytearray(b"x") * 200_000_000)
        with measure() as second:
            time.sleep(0.05)
    cost = read_costs([tmp_path])["train/a"]
    assert cost.seconds > 0.05
    # The second measurement lets the kernel forget the peak of the first.
    assert second.peak_memory < first.peak_memory <= 2**20 * cost.memory_mb + 2**13
    with pytest.raises(RuntimeError), recorded(tmp_path / "train" / "b.tsv"):
        raise RuntimeError
    assert len(read_costs([tmp_path])) == 1


def test_modules_of_users_stay_in_their_job(environment, tmp_path):
    """They may do anything, as set the default type of numbers for all."""
    (tmp_path / "mine.py").write_text("VALUE = 1")
    for _ in range(2):
        assert command(environment, "mine", cwd=tmp_path).stdout == "False\n"


def test_unseeded_draws_differ(environment):
    first, second = (command(environment, "draw").stdout.split() for _ in range(2))
    assert not set(first) & set(second)


def test_a_server_of_other_code_is_not_asked(environment):
    address = environment[job_server.ADDRESS].partition(":")[0]
    other = {**environment, job_server.ADDRESS: f"{address}:/usr:/usr/lib/symbench/job_server.py"}
    assert "No such command 'say'" in command(other, "say").stderr


def test_where_a_source_was_changed_commands_run_on_their_own(environment):
    """The last one of this server: it holds code and fingerprints of before."""
    source = Path(environment["SOURCE"])
    os.utime(source, ns=(0, source.stat().st_mtime_ns + 1))
    for _ in range(2):
        assert "No such command 'say'" in command(environment, "say").stderr

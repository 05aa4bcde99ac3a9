"""The command `symbench`."""

import sys

from symbench.job_server import run_in_fork


def main() -> None:
    """Run a command, in a fork of the server of this run's jobs if there is one."""
    code = run_in_fork(sys.argv[1:])
    if code is None:
        from symbench.cli import main as here

        here()
    else:
        sys.exit(code)


if __name__ == "__main__":
    main()

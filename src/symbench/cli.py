"""The command line: runs a command, and says what went wrong in one sentence."""

import sys

# Each module adds its commands to the application.
from symbench.commands import jobs as jobs
from symbench.commands import names as names
from symbench.commands import own as own
from symbench.commands import results as results
from symbench.commands.app import app
from symbench.config.registry import add_working_folder
from symbench.errors import SymBenchError, lacking_extra


def main() -> None:
    """Run a command; an error that a user can mend is one sentence and exit code 1."""
    add_working_folder()
    try:
        app(prog_name="symbench")
    except SymBenchError as error:
        print(f"symbench: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if not (lacking := lacking_extra(error)):
            raise
        print(f"symbench: this installation is too small: {lacking}.", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        print(f"symbench: {error.strerror}: {error.filename or 'while writing'}", file=sys.stderr)
        sys.exit(1)

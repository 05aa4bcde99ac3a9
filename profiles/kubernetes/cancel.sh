#!/bin/sh
exec python "$(dirname "$0")/pods.py" cancel "$@"

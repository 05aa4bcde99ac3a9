"""docs/tutorial.md, run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "tutorial.md").read_text()


def test_the_tutorial_runs(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(tmp_path),
    }
    said = []
    for language, body in re.findall(r"```(python|bash)\n(.*?)```", TEXT, flags=re.DOTALL):
        words = ["bash", "-euc", body] if language == "bash" else [sys.executable, "-c", body]
        if "class Network" in body:
            (tmp_path / "my_network.py").write_text(body)
            continue
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    *_, advice, errors = said
    assert re.match(r"(Average|Do not average|Not decided)", advice)
    assert (tmp_path / "advice" / "advice.html").is_file()
    plain, averaged = map(float, errors.split())
    assert averaged < plain

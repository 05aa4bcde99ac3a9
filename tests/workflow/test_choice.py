"""What is chosen on the command line: sizes, overlays, studies, single keys, and mistakes."""

import re

import pytest

from tests.workflow.checkout import DATA, RESULTS, STUDIES

OVERLAY = {"base": "other", "name": "mine", "studies": {"first": {"seeds": [3]}}}


def test_no_name_of_a_file_or_folder_is_executed(finished):
    """The run was made in a folder, and with folders, that a shell would misread."""
    assert not list(finished.folder.parent.rglob("hacked*"))
    assert (finished.folder / RESULTS / "laptop" / "report.html").is_file()
    assert (finished.folder / DATA / "charged_particles").is_dir()
    logs = finished.folder / RESULTS / "laptop" / "logs"
    assert {path.name for path in logs.iterdir()} == {
        *("fetch", "audit", "train", "evaluate", "compare", "figure", "report")
    }


def test_one_argument_is_enough(unfinished):
    """An overlay names its size, its studies and its folder of results."""
    path = unfinished.write("config/overlays/own.yaml", OVERLAY)
    planned = unfinished.planned("--configfile", path)
    assert "train first/particles/gnn/none/3" in planned
    assert not any("second" in job for job in planned)
    assert "train first/particles/gnn/none/0" not in planned
    where = unfinished.symbench("where", "--config", path, "--folder")
    assert where.stdout == f"{RESULTS}/mine\n"


def test_studies_and_single_keys(unfinished):
    chosen = ("studies=second", "set=studies.second.seeds=[4];studies.second.claims=[]")
    planned = unfinished.planned("--config", "size=other", *chosen)
    assert "train second/particles/gnn/none/4" in planned
    assert not any("first" in job for job in planned)
    planned = unfinished.planned("--config", f"studies={' '.join(STUDIES)}")
    assert {"compare first", "compare second"} <= planned


def test_jobs_read_the_configuration_that_was_planned(unfinished, tmp_path):
    """A file changes one study, two are asked for, and a third has a mistake."""
    run = unfinished.copy(tmp_path / "copy")
    run.write("config/studies/third.yaml", {"title": "no study"})
    run.edit("config/sizes/laptop.yaml", ("second: {}", "second: {}\n  third: {}"))
    path = run.write("own.yaml", {"base": "laptop", "studies": {"second": {"seeds": [3]}}})
    asked = ("--config", f"studies={' '.join(STUDIES)}", "--until", "fetch")
    made = run.snakemake("--configfile", path, *asked)
    assert made.returncode == 0, made.stdout + made.stderr
    assert {run.data(train).is_dir() for train in (40, 7)} == {True}


def test_folders_set_on_the_command_line(unfinished):
    where = unfinished.symbench("where", "--set", "results=elsewhere", "--folder")
    assert where.stdout == "elsewhere/laptop\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["studdies=first"], "Unknown key of --config 'studdies'; allowed: container, set, size,"),
        (["studdies=first"], "Did you mean 'studies'?"),
        (["seeds=[0]"], "Unknown key of --config 'seeds'"),
        (["size=huge"], "Unknown size 'huge'; allowed: laptop, other"),
        (["studies=gravity"], "Unknown study 'gravity'; allowed: first, second"),
        (["studies=3"], "Unknown study '3'; allowed: first, second"),
        (["studies=[3]"], "Unknown study '3'; allowed: first, second"),
        (["studies={first: 3}"], "Unknown study '{'first':'; allowed: first, second"),
        (["size=1"], "Unknown size '1'; allowed: laptop, other"),
        (["size=[laptop]"], "Unknown size '['laptop']'; allowed: laptop, other"),
        (["set=3"], "set '3': write key=value"),
        (["set=studies.first.training.epoch=1"], "Did you mean 'epochs'?"),
        (["set=studies.first.training.epochs"], "write key=value"),
        (["set=results=r{study}"], "without braces"),
        (["size=laptop", "--configfile", "OVERLAY"], "size=laptop was asked for, but"),
        (
            ["--configfile", "config/sizes/laptop.yaml", "config/sizes/other.yaml"],
            "both name a size",
        ),
        (["--configfile", "config/sizes/laptop.yaml", "OVERLAY"], "both name a size"),
    ],
)
def test_mistakes_are_one_sentence_before_any_job(unfinished, options, message):
    path = unfinished.write("config/overlays/own.yaml", OVERLAY)
    words = [str(path) if word == "OVERLAY" else word for word in options]
    given = [] if words[0].startswith("--") else ["--config"]
    result = unfinished.snakemake(*given, *words)
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert message in said
    assert "Traceback" not in said
    assert not (unfinished.folder / RESULTS).exists()


def test_make_says_the_same_of_a_contradiction(unfinished):
    path = unfinished.write("config/overlays/own.yaml", OVERLAY)
    unfinished.install()
    made = unfinished.run("make", "reproduce", "SIZE=laptop", f"CONFIG={path}", "OPTIONS=--dry-run")
    assert made.returncode != 0
    assert "size=laptop was asked for, but" in made.stdout + made.stderr


def test_an_environment_that_was_moved_along_is_made_anew(unfinished):
    """Its programs name the folder that they were installed in, and the code there."""
    unfinished.install()
    assert "-m venv" not in unfinished.run("make", "--dry-run", "reproduce").stdout
    (unfinished.folder / ".venv" / "installed").write_text("/somewhere/else\n")
    planned = unfinished.run("make", "--dry-run", "reproduce").stdout
    assert "-m venv --clear .venv" in planned
    unfinished.install()


def test_resources_of_every_evaluation_are_set_by_one_name(unfinished):
    """Evaluations are many rules, of one name for those who run them."""
    asked = ["--set-resources", "evaluate:mem_mb=1234", "--set-threads", "evaluate=3"]
    said = unfinished.snakemake("--dry-run", "--cores", "4", *asked).stdout
    jobs = re.findall(r"rule (\w+):\n((?:    .*\n)*)", said)
    of_evaluations = [text for name, text in jobs if name.startswith("evaluate_")]
    assert len(of_evaluations) > 1
    assert all("mem_mb=1234" in text and "threads: 3" in text for text in of_evaluations)
    assert not any("1234" in text for name, text in jobs if not name.startswith("evaluate_"))


def test_snakemakes_own_report_says_what_each_result_is(checkout):
    """Its captions are reStructuredText; those of the config are not, and stay in ours."""
    made = checkout.snakemake("--report", "snakemake_report.html")
    assert made.returncode == 0, made.stderr
    page = (checkout.folder / "snakemake_report.html").read_text()
    assert "system-message" not in page
    for text in ("ways of imposing a symmetry", "Metrics of every run", "Claims with value"):
        assert text in page
    assert f'of the study <tt class=\\"docutils literal\\">{STUDIES[0]}</tt>' in page

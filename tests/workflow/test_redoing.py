"""What is done again, and what is not: dry runs in copies of a finished run."""

import shutil

import pytest

from tests.workflow.checkout import DATA, RESULTS, Checkout, jobs

TASK = "particles"
RUN = "particles/gnn/none/0"
# What follows from the first study's evaluations.
AFTER = {"compare first", "figure first/validation_loss", "report"}


def of_run(study: str, run: str = RUN) -> set[str]:
    """Training and evaluation of a run."""
    return {f"train {study}/{run}", f"evaluate {study}/{run}"}


# --- R1: nothing is done again -------------------------------------------------------------------


def test_a_copy_of_a_checkout_that_was_moved_has_nothing_to_do(checkout):
    """The finished run was moved after it was made, and this is a copy by `cp -a`."""
    assert checkout.planned() == set()


def test_another_working_folder_and_a_space_in_the_path(checkout, tmp_path):
    moved = tmp_path / "a folder; with 'all' $that"
    checkout.folder.rename(moved)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    at = ("--snakefile", moved / "Snakefile", "--directory", moved)
    assert Checkout(moved).planned(*at, cwd=elsewhere) == set()
    # Seen from a folder that holds the results, and has no config.
    for name in (RESULTS, DATA, ".snakemake"):
        shutil.move(moved / name, elsewhere / name)
    assert Checkout(moved).planned("--snakefile", moved / "Snakefile", cwd=elsewhere) == set()


def test_an_overlay_that_changes_nothing_and_its_name(checkout):
    overlay = {"base": "laptop", "studies": {"first": {}, "second": {"seeds": [0]}}}
    for name in ("config/overlays/mine.yaml", "its other name.yaml"):
        path = checkout.write(name, overlay)
        assert checkout.planned("--configfile", path.relative_to(checkout.folder)) == set()


def test_a_key_set_to_what_it_was(checkout):
    assert checkout.planned("--config", "set=studies.first.training.epochs=1") == set()


def test_a_file_of_data_that_is_newer_and_the_same(checkout):
    """As where a checkout was copied without the times of its files."""
    path = checkout.data(40) / "train.hdf5"
    path.write_bytes(path.read_bytes())
    assert checkout.planned() == set()
    assert checkout.symbench("check-results").returncode == 0


# --- R3: what changes no result ------------------------------------------------------------------


def test_resources_and_saved_states_change_no_result(checkout):
    keys = (
        "resources.train={mem_mb: 5000, gpus: 2, threads: 2}",
        "resources.evaluate={runtime: 7, gpus: 1, partition: p, constraint: c}",
        "resources.compare.mem_mb=5000",
        "training.save_every=7",
    )
    chosen = ";".join(f"studies.first.{key}" for key in keys)
    assert checkout.planned("--config", f"set={chosen}") == set()


# --- what is added is done, and what follows from it ---------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("studies.first.seeds=[0, 1]", of_run("first", "particles/gnn/none/1") | AFTER),
        (
            "studies.first.runs=[{tasks: [particles], models: [gnn, wide]}]",
            of_run("first", "particles/wide/none/0") | AFTER,
        ),
        (
            "studies.first.runs=[{tasks: [particles], models: [gnn], treatments: [none, augment]}]",
            of_run("first", "particles/gnn/augment/0") | AFTER,
        ),
        ("studies.first.training.epochs=2", of_run("first") | AFTER),
        ("studies.first.evaluation.elements=3", {f"evaluate first/{RUN}"} | AFTER),
        (
            "studies.first.tasks.particles.group=SO(3)",
            {"audit first/particles"} | of_run("first") | AFTER,
        ),
        ("studies.first.claims=[]", AFTER),
        ("studies.first.title=Renamed", {"report"}),
        ("studies.first.figures=[{name: validation_loss, caption: New.}]", {"report"}),
        (
            "studies.first.figures=[{name: validation_loss, caption: Validation loss.},"
            " {name: error_by_time, caption: Time.}]",
            {"figure first/error_by_time", "report"},
        ),
    ],
)
def test_exactly_what_depends_on_a_change_is_done(checkout, change, expected):
    assert checkout.planned("--config", f"set={change}") == expected


def test_other_data_are_made_beside_the_old_ones(checkout):
    planned = checkout.planned(
        "--config", "set=studies.first.tasks.particles.parameters.target_step=90"
    )
    (fetch,) = (job for job in planned if job.startswith("fetch"))
    assert checkout.data(40).name not in fetch
    assert planned - {fetch} == {"audit first/particles"} | of_run("first") | AFTER


def test_a_task_that_is_described_as_another_shares_its_data(checkout):
    """Nothing is fetched for the second study once it describes its task as the first does."""
    planned = checkout.planned(
        "--config", "set=studies.second.tasks.particles.parameters.trajectories.train=40"
    )
    assert planned == {"audit second/particles", "compare second", "report"} | of_run("second")


# --- W3: code and local files --------------------------------------------------------------------

PLACE = "src/symbench/"


@pytest.mark.parametrize(
    ("file", "before", "after", "expected"),
    [
        (
            "data/points/particle_data.py",
            "    def loss(",
            "    mark = 1\n\n    def loss(",
            # The data are what they were; all that opens them is not.
            {"audit first/particles", "audit second/particles", "compare second"}
            | of_run("first")
            | of_run("second")
            | AFTER,
        ),
        (
            "models/points/particles.py",
            "positions: Tensor = self.decode(features)",
            "positions: Tensor = 2 * self.decode(features)",
            of_run("first") | of_run("second") | {"compare second"} | AFTER,
        ),
        (
            "evaluation/measure.py",
            "\nclass ",
            "\nMARK = 1\n\n\nclass ",
            {f"evaluate first/{RUN}", f"evaluate second/{RUN}", "compare second"} | AFTER,
        ),
        ("statistics.py", "\ndef ", "\nMARK = 1\n\n\ndef ", {"compare second"} | AFTER),
        (
            "figures/learning_curves.py",
            "\ndef ",
            "\nMARK = 1\n\n\ndef ",
            {"figure first/validation_loss", "report"},
        ),
    ],
)
def test_changed_code_is_noticed(checkout, file, before, after, expected):
    checkout.edit(PLACE + file, (before, after))
    assert checkout.planned() == expected


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("models/points/particles.py", "\nclass ", "\n# A remark of somebody.\nclass "),
        ("models/points/particles.py", '    """`gnn`: coordinates', '    """The coordinates'),
        ("data/points/particle_data.py", "\nclass ", "\n\n\n\nclass "),
        ("cli.py", "\ndef ", "\nMARK = 1\n\n\ndef "),
    ],
)
def test_remarks_layout_and_commands_are_not_what_results_follow_from(
    checkout, file, before, after
):
    checkout.edit(PLACE + file, (before, after))
    assert checkout.planned() == set()


def test_a_local_checkpoint_that_is_replaced_is_noticed(checkout, tmp_path):
    """Both by the plan and, where a plan was not asked, by the stage itself."""
    published = tmp_path / "published"
    published.mkdir()
    weights = published / "model.safetensors"
    shutil.copy(checkout.trained() / "weights.safetensors", weights)
    (published / "config.json").write_text('{"hidden": 8, "layers": 1}')
    overlay = checkout.write(
        "mine.yaml",
        {
            "base": "laptop",
            "studies": {
                "first": {
                    "models": {"gnn": {"checkpoints": {TASK: {"repository": str(published)}}}},
                    "figures": [],
                }
            },
        },
    )
    arguments = ("--configfile", overlay, "--until", "train")
    result = checkout.snakemake(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert checkout.planned(*arguments) == set()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert checkout.planned(*arguments) == {f"train first/{RUN}"}
    names = ("--study", "first", "--task", TASK, "--model", "gnn", "--treatment", "none")
    evaluated = checkout.symbench("evaluate", "--config", overlay, *names, "--seed", 0)
    assert evaluated.returncode == 1
    assert "was trained with other settings or other code" in evaluated.stderr


# --- R4: the README's plain command --------------------------------------------------------------


def test_plain_snakemake_uses_the_default_profile(finished):
    said = (finished.folder / "said").read_text()
    assert "Using workflow specific profile profiles/default" in said


def test_make_and_snakemake_plan_the_same(checkout):
    checkout.install()
    for name in ("mine.yaml", "with a space.yaml"):
        overlay = checkout.write(
            f"config/overlays/{name}", {"base": "laptop", "studies": {"first": {"seeds": [0, 1]}}}
        )
        by_make = checkout.run("make", "reproduce", f"CONFIG={overlay}", "OPTIONS=--dry-run")
        planned = checkout.planned("--configfile", overlay)
        assert jobs(by_make) == planned
        assert planned == of_run("first", "particles/gnn/none/1") | AFTER
    assert f"{RESULTS}/laptop/report.html" in by_make.stdout

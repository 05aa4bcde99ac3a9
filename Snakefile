from snakemake.utils import min_version

min_version("9.10")


include: "workflow/rules/common.smk"


report: "workflow/report/workflow.rst"


# For --software-deployment-method apptainer; `make apptainer` makes this file.
container: CHOSEN.get("container", "workflow/envs/symbench.sif")


localrules:
    all,
    tuned,


include: "workflow/rules/data.smk"
include: "workflow/rules/tune.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        # Also what no other job reads: whatever was lost is made anew.
        [str(path) for path in expected(CONFIGURATION)],


# Only where jobs are processes of this machine and this environment.
onstart:
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        if len([*workflow.dag.needrun_jobs()]) >= job_server.FEWEST_JOBS:
            job_server.start(
                CONFIGURATION.files,
                CONFIGURATION.overrides,
                [*CONFIGURATION.studies],
            )


# Runs that did not fail are reported, and those that are missing are named.
onerror:
    shell('symbench report "${{config[@]}}" "${{studies[@]}}" --compare || true')

# Seeds are a resource of these rules: which are trained by one job changes no result. All else that
# Snakemake remembers of a job is the same in both.
TRAIN = (
    '{resources.launcher} train "${{config[@]}}" --study {wildcards.study}'
    " --task {wildcards.task} --model {wildcards.model}"
    " --treatment {wildcards.treatment} {resources.seeds}"
    " --threads {threads} > {log:q} 2>&1"
)


rule train:
    input:
        manifest=manifest_of,
        audit=str(LAYOUT.audit("{study}", "{task}")),
        published=published_of,
    output:
        [str(LAYOUT.trained(name, *RUN)) for name in TRAINED],
    log:
        str(LAYOUT.log("train", *RUN)),
    conda:
        "../envs/symbench.yaml"
    threads: resource("train", "threads")
    resources:
        **job_resources("train"),
        launcher=launcher,
        seeds=lambda wildcards: f"--seed {wildcards.seed}",
    params:
        fingerprint=lambda wildcards: group_of(wildcards).group_fingerprint,
    shell:
        TRAIN


# A rule for each run group of which one job trains several seeds.
ASKED = None
if not workflow.is_main_process:
    # Snakemake, called for a job, names it RULE:WILDCARDS behind --target-jobs.
    ASKED = [word.split(":", 1)[0] for word in sys.argv]
TOGETHER = {
    name: runs
    for study in CONFIGURATION.studies.values()
    for name, runs in trained_together(study, LAYOUT, ASKED).items()
}

for name, runs in TOGETHER.items():
    overwrite_as(name, "train")

    rule:
        name:
            name
        input:
            manifest=manifest_of,
            audit=str(LAYOUT.audit("{study}", "{task}")),
        output:
            [
                str(LAYOUT.trained(file, *RUN[:-1], run.seed))
                for run in runs
                for file in TRAINED
            ],
        log:
            str(LAYOUT.log("train", *RUN[:-1], SEEDS)),
        wildcard_constraints:
            study=runs[0].study,
            task=runs[0].task.name,
            model=runs[0].model,
            treatment=runs[0].treatment,
        conda:
            "../envs/symbench.yaml"
        threads: CONFIGURATION.study(runs[0].study).resources("train").threads
        resources:
            **job_resources("train"),
            launcher=launcher,
            seeds=" ".join(f"--seed {run.seed}" for run in runs),
        params:
            fingerprint=lambda wildcards: group_of(wildcards).group_fingerprint,
        shell:
            TRAIN


if TOGETHER:
    workflow.ruleorder(*TOGETHER, "train")


# All trainings, whichever rules do them.
rule trained:
    input:
        [
            str(LAYOUT.trained(file, name, *run.key, run.seed))
            for name, study in CONFIGURATION.studies.items()
            for run in study.runs
            for file in TRAINED
        ],
    localrule: True

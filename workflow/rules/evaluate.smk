# One rule for each study, treatment and set of evaluations, because one job writes them all, and for
# the models that have the same tasks in it.
TASKS = {}
for study in CONFIGURATION.studies.values():
    for run in study.runs:
        key = (study.name, run.treatment, run.evaluations, run.model)
        TASKS.setdefault(key, {})[run.task.name] = None
MODELS = {}
for (*key, model), tasks in TASKS.items():
    MODELS.setdefault((*key, tuple(tasks)), []).append(model)

for number, ((name, treatment, evaluations, tasks), models) in enumerate(
    MODELS.items()
):
    rule_name = f"evaluate_{number}_{name}_{treatment}"
    overwrite_as(rule_name, "evaluate")

    rule:
        name:
            rule_name
        input:
            manifest=manifest_of,
            audit=str(LAYOUT.audit("{study}", "{task}")),
            weights=str(LAYOUT.trained("weights.safetensors", *RUN)),
            published=published_of,
        output:
            [
                str(LAYOUT.evaluation(*RUN[:-1], evaluation, RUN[-1]))
                for evaluation in evaluations
            ],
        log:
            str(LAYOUT.log("evaluate", *RUN)),
        wildcard_constraints:
            study=name,
            task="|".join(tasks),
            model="|".join(models),
            treatment=treatment,
        conda:
            "../envs/symbench.yaml"
        threads: CONFIGURATION.study(name).resources("evaluate").threads
        resources:
            **job_resources("evaluate"),
        params:
            fingerprint=lambda wildcards: run_of(wildcards).evaluation_fingerprint,
        shell:
            'symbench evaluate "${{config[@]}}" --study {wildcards.study}'
            " --task {wildcards.task} --model {wildcards.model}"
            " --treatment {wildcards.treatment} --seed {wildcards.seed}"
            " --threads {threads} > {log:q} 2>&1"

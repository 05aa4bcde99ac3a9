rule times:
    input:
        evaluations=lambda wildcards: [
            str(LAYOUT.evaluation(run.study, *run.key, evaluation, run.seed))
            for run in study_of(wildcards).runs
            for evaluation in run.evaluations
        ],
        weights=lambda wildcards: [
            str(LAYOUT.trained("weights.safetensors", run.study, *run.key, run.seed))
            for run in study_of(wildcards).runs
        ],
        manifests=lambda wildcards: [
            str(LAYOUT.manifest(task.dataset_folder, task.data_fingerprint))
            for task in study_of(wildcards).tasks.values()
        ],
    output:
        str(LAYOUT.table("{study}", TIMES)),
        str(LAYOUT.table_provenance("{study}", TIMES)),
    log:
        str(LAYOUT.log("times", "{study}")),
    conda:
        "../envs/symbench.yaml"
    # All that this machine has for jobs, so that no other one runs meanwhile.
    threads: workflow.resource_settings.cores or resource("evaluate", "threads")
    resources:
        **job_resources("evaluate"),
    params:
        fingerprint=lambda wildcards: study_of(wildcards).times_fingerprint,
        threads=resource("evaluate", "threads"),
    shell:
        'symbench times "${{config[@]}}" --study {wildcards.study}'
        " --threads {params.threads} > {log:q} 2>&1"


# `make times` asks for it.
rule timed:
    input:
        [str(LAYOUT.table(name, TIMES)) for name in CONFIGURATION.studies],
    localrule: True

# Trainings of all trials by their names.
TRIALS = {
    (name, *trial.run.key, str(trial.number), str(trial.run.seed)): trial.run
    for name, study in CONFIGURATION.studies.items()
    for trial in trials(study)
}
TRIAL = (*RUN[:-1], "{trial}", "{seed}")


rule tune_check:
    input:
        manifest=manifest_of,
        audit=str(LAYOUT.audit("{study}", "{task}")),
    output:
        str(LAYOUT.trials("{study}", "{task}")),
    log:
        str(LAYOUT.log("tune_check", "{study}", "{task}")),
    conda:
        "../envs/symbench.yaml"
    resources:
        **job_resources("audit"),
    params:
        fingerprint=lambda wildcards: tuning_fingerprint(study_of(wildcards)),
    shell:
        'symbench tune-check "${{config[@]}}" --study {wildcards.study}'
        " --task {wildcards.task} > {log:q} 2>&1"


rule tune_trial:
    input:
        manifest=manifest_of,
        audit=str(LAYOUT.audit("{study}", "{task}")),
        # A trial stays as it is when others join it.
        checked=ancient(str(LAYOUT.trials("{study}", "{task}"))),
    output:
        [str(LAYOUT.trial_folder(*TRIAL) / name) for name in TRIED],
    log:
        str(LAYOUT.log("tune_trial", *TRIAL)),
    conda:
        "../envs/symbench.yaml"
    threads: resource("train", "threads")
    resources:
        # One that diverges would leave other processes waiting.
        **job_resources("train", most_gpus=1),
    params:
        fingerprint=lambda wildcards: TRIALS[tuple(wildcards)].training_fingerprint,
    shell:
        'symbench tune-trial "${{config[@]}}" --study {wildcards.study}'
        " --task {wildcards.task} --model {wildcards.model}"
        " --treatment {wildcards.treatment} --trial {wildcards.trial}"
        " --seed {wildcards.seed} --threads {threads} > {log:q} 2>&1"


rule tune:
    input:
        lambda wildcards: [
            str(LAYOUT.trial_folder(*names) / file)
            for names in TRIALS
            if names[0] == wildcards.study
            for file in TRIED
        ],
    output:
        str(LAYOUT.table("{study}", TUNING)),
        str(LAYOUT.table_provenance("{study}", TUNING)),
        str(LAYOUT.chosen("{study}")),
    log:
        str(LAYOUT.log("tune", "{study}")),
    conda:
        "../envs/symbench.yaml"
    resources:
        **job_resources("compare"),
    params:
        fingerprint=lambda wildcards: tuning_fingerprint(study_of(wildcards)),
    shell:
        'symbench tune "${{config[@]}}" --study {wildcards.study} > {log:q} 2>&1'


# `make tune` asks for it.
rule tuned:
    input:
        [str(LAYOUT.chosen(name)) for name in dict.fromkeys(each[0] for each in TRIALS)],
    localrule: True

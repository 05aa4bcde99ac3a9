rule times:
    input:
        lambda wildcards: [
            str(LAYOUT.trained("weights.safetensors", run.study, *run.key, run.seed))
            for run in study_of(wildcards).timed_runs
        ],
    output:
        str(LAYOUT.times("{study}")),
    log:
        str(LAYOUT.log("times", "{study}")),
    conda:
        "../envs/symbench.yaml"
    # All of them, so that no other job runs meanwhile.
    threads: max(1, workflow.cores or 1)
    resources:
        mem_mb=resource("evaluate", "mem_mb"),
        runtime=resource("evaluate", "runtime"),
        slurm_partition=resource("evaluate", "partition"),
        constraint=resource("evaluate", "constraint"),
        gpu=gpu("evaluate"),
        gpu_model=resource("evaluate", "gpu_model"),
    params:
        fingerprint=lambda wildcards: study_of(wildcards).times_fingerprint,
        threads=resource("evaluate", "threads"),
    shell:
        'symbench times "${{config[@]}}" --study {wildcards.study}'
        " --threads {params.threads} > {log:q} 2>&1"


# `make times` asks for it.
rule timed:
    input:
        [str(LAYOUT.times(name)) for name in CONFIGURATION.studies],
    localrule: True

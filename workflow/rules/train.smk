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
        mem_mb=resource("train", "mem_mb"),
        runtime=resource("train", "runtime"),
        slurm_partition=resource("train", "partition"),
        constraint=resource("train", "constraint"),
        gpu=gpu("train"),
        gpu_model=resource("train", "gpu_model"),
        launcher=launcher,
    params:
        fingerprint=lambda wildcards: run_of(wildcards).training_fingerprint,
    shell:
        '{resources.launcher} train "${{config[@]}}" --study {wildcards.study}'
        " --task {wildcards.task} --model {wildcards.model}"
        " --treatment {wildcards.treatment} --seed {wildcards.seed}"
        " --threads {threads} > {log:q} 2>&1"

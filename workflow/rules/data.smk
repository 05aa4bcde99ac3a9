rule fetch:
    output:
        f"{DATA}/{{task}}/manifest.json",
    log:
        f"{RESULTS}/logs/fetch/{{task}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fetch/{{task}}.tsv"
    conda:
        "../envs/symbench.yaml"
    threads: resource("fetch", "threads")
    resources:
        mem_mb=resource("fetch", "mem_mb"),
        runtime=resource("fetch", "runtime"),
        slurm_partition=resource("fetch", "partition"),
        constraint=resource("fetch", "constraint"),
    params:
        config=CONFIG_ARGUMENTS,
        study=lambda wildcards: CONFIGURATION.tasks[wildcards.task].name,
        fingerprint=lambda wildcards: CONFIGURATION.tasks[
            wildcards.task
        ].data_fingerprint(wildcards.task),
        directory=lambda wildcards: f"{DATA}/{wildcards.task}",
    shell:
        "symbench fetch {params.config} --study {params.study} --task {wildcards.task}"
        " --output {params.directory} --threads {threads} > {log} 2>&1"


rule audit:
    input:
        manifest=f"{DATA}/{{task}}/manifest.json",
    output:
        f"{RESULTS}/{{study}}/audits/{{task}}.csv",
    log:
        f"{RESULTS}/logs/audit/{{study}}/{{task}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit/{{study}}/{{task}}.tsv"
    conda:
        "../envs/symbench.yaml"
    resources:
        mem_mb=resource("audit", "mem_mb"),
        runtime=resource("audit", "runtime"),
        slurm_partition=resource("audit", "partition"),
        constraint=resource("audit", "constraint"),
    params:
        config=CONFIG_ARGUMENTS,
        fingerprint=lambda wildcards: study_of(wildcards).audit_fingerprint(
            wildcards.task
        ),
        directory=lambda wildcards: f"{DATA}/{wildcards.task}",
    shell:
        "symbench audit {params.config} --study {wildcards.study} --task {wildcards.task}"
        " --data {params.directory} --output {output} > {log} 2>&1"

rule train:
    input:
        manifest=f"{DATA}/{{task}}/manifest.json",
        audit=f"{RESULTS}/{{study}}/audits/{{task}}.csv",
    output:
        weights=f"{RESULTS}/{{study}}/models/{{task}}/{{model}}/{{treatment}}/seed{{seed}}/weights.safetensors",
        history=f"{RESULTS}/{{study}}/models/{{task}}/{{model}}/{{treatment}}/seed{{seed}}/history.csv",
        provenance=f"{RESULTS}/{{study}}/models/{{task}}/{{model}}/{{treatment}}/seed{{seed}}/provenance.json",
    log:
        f"{RESULTS}/logs/train/{{study}}/{{task}}/{{model}}/{{treatment}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{study}}/{{task}}/{{model}}/{{treatment}}/seed{{seed}}.tsv"
    conda:
        "../envs/symbench.yaml"
    threads: resource("train", "threads")
    resources:
        mem_mb=resource("train", "mem_mb"),
        runtime=resource("train", "runtime"),
        slurm_partition=resource("train", "partition"),
        constraint=resource("train", "constraint"),
        gpu=resource("train", "gpus"),
    params:
        config=CONFIG_ARGUMENTS,
        fingerprint=lambda wildcards: study_of(wildcards).training_fingerprint(
            cell_of(wildcards)
        ),
        data=lambda wildcards: f"{DATA}/{wildcards.task}",
        directory=lambda wildcards, output: Path(output.weights).parent,
        launcher=lambda wildcards: launcher(study_of(wildcards)),
    shell:
        "{params.launcher} train {params.config} --study {wildcards.study}"
        " --task {wildcards.task} --model {wildcards.model}"
        " --treatment {wildcards.treatment} --seed {wildcards.seed}"
        " --data {params.data} --output {params.directory} --threads {threads} > {log} 2>&1"

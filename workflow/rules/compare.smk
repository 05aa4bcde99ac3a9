rule compare:
    input:
        evaluations=lambda wildcards: [
            f"{RESULTS}/{wildcards.study}/evaluations/{path}"
            for path in evaluation_paths(study_of(wildcards))
        ],
        histories=lambda wildcards: [
            f"{RESULTS}/{wildcards.study}/models/{path}"
            for path in training_paths(study_of(wildcards), ["history.csv"])
        ],
        audits=lambda wildcards: [
            f"{RESULTS}/{wildcards.study}/audits/{task}.csv"
            for task in study_of(wildcards).tasks
        ],
    output:
        metrics=report(
            f"{RESULTS}/{{study}}/metrics.csv",
            category="Tables",
            caption="../report/metrics.rst",
        ),
        claims=report(
            f"{RESULTS}/{{study}}/claims.csv",
            category="Claims",
            caption="../report/claims.rst",
        ),
        provenance=[
            f"{RESULTS}/{{study}}/metrics.provenance.json",
            f"{RESULTS}/{{study}}/claims.provenance.json",
        ],
    log:
        f"{RESULTS}/logs/compare/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare/{{study}}.tsv"
    conda:
        "../envs/symbench.yaml"
    resources:
        mem_mb=resource("compare", "mem_mb"),
        runtime=resource("compare", "runtime"),
        slurm_partition=resource("compare", "partition"),
        constraint=resource("compare", "constraint"),
    params:
        config=CONFIG_ARGUMENTS,
        fingerprint=lambda wildcards: study_of(wildcards).comparison_fingerprint(),
        evaluations=lambda wildcards: f"{RESULTS}/{wildcards.study}/evaluations",
    shell:
        "symbench compare {params.config} --study {wildcards.study}"
        " --evaluations {params.evaluations} --metrics {output.metrics}"
        " --claims {output.claims} > {log} 2>&1"

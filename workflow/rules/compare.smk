rule compare:
    input:
        lambda wildcards: [
            f"{RESULTS}/{wildcards.study}/evaluations/{path}"
            for path in evaluation_paths(study_of(wildcards))
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

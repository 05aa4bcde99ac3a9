rule figure:
    input:
        metrics=f"{RESULTS}/{{study}}/metrics.csv",
        claims=f"{RESULTS}/{{study}}/claims.csv",
    output:
        png=report(
            f"{RESULTS}/{{study}}/figures/{{figure}}.png",
            category="Figures",
            caption="../report/figure.rst",
        ),
        pdf=f"{RESULTS}/{{study}}/figures/{{figure}}.pdf",
    log:
        f"{RESULTS}/logs/figure/{{study}}/{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figure/{{study}}/{{figure}}.tsv"
    conda:
        "../envs/symbench.yaml"
    params:
        config=CONFIG_ARGUMENTS,
        results=lambda wildcards: f"{RESULTS}/{wildcards.study}",
        stem=lambda wildcards, output: Path(output.png).with_suffix(""),
        caption=lambda wildcards: next(
            figure.caption
            for figure in study_of(wildcards).description.figures
            if figure.name == wildcards.figure
        ),
    shell:
        "symbench figure {wildcards.figure} {params.config} --study {wildcards.study}"
        " --results {params.results} --output {params.stem} > {log} 2>&1"


rule report:
    input:
        [
            f"{RESULTS}/{name}/figures/{figure.name}.png"
            for name, study in CONFIGURATION.studies.items()
            for figure in study.description.figures
        ],
        expand(f"{RESULTS}/{{study}}/claims.csv", study=CONFIGURATION.studies),
    output:
        f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../envs/symbench.yaml"
    params:
        config=CONFIG_ARGUMENTS,
        studies=" ".join(f"--study {name}" for name in CONFIGURATION.studies),
        results=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "symbench report {params.config} {params.studies} --results {params.results}"
        " --output {output} > {log} 2>&1"

rule figure:
    input:
        tables=[str(LAYOUT.table("{study}", table)) for table in TABLES],
        further=lambda wildcards: [
            str(LAYOUT.further_table(wildcards.study, name))
            for name in study_of(wildcards).tables
        ],
    output:
        png=report(
            str(LAYOUT.figure("{study}", "{figure}", "png")),
            category="Figures",
            caption="../report/figure.rst",
        ),
        pdf=str(LAYOUT.figure("{study}", "{figure}", "pdf")),
    log:
        str(LAYOUT.log("figure", "{study}", "{figure}")),
    group:
        REPORT_GROUP
    conda:
        "../envs/symbench.yaml"
    resources:
        **job_resources("compare"),
    params:
        fingerprint=lambda wildcards: study_of(wildcards).figure_fingerprint(
            wildcards.figure
        ),
    shell:
        'symbench figure {wildcards.figure} "${{config[@]}}" --study {wildcards.study}'
        " > {log:q} 2>&1"


rule report:
    input:
        [
            str(LAYOUT.figure(name, figure.name))
            for name, study in CONFIGURATION.studies.items()
            for figure in study.settings.figures
        ],
        [str(LAYOUT.table(name, "claims")) for name in CONFIGURATION.studies],
    output:
        str(LAYOUT.report),
    log:
        str(LAYOUT.log("report", "report")),
    group:
        REPORT_GROUP
    conda:
        "../envs/symbench.yaml"
    # Studies are read side by side.
    threads: 2
    resources:
        **job_resources("compare", next(iter(CONFIGURATION.studies.values()))),
    params:
        fingerprint=[
            study.report_fingerprint for study in CONFIGURATION.studies.values()
        ],
    shell:
        'symbench report "${{config[@]}}" "${{studies[@]}}" > {log:q} 2>&1'

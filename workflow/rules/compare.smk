rule compare:
    input:
        evaluations=lambda wildcards: [
            str(LAYOUT.evaluation(run.study, *run.key, evaluation, run.seed))
            for run in study_of(wildcards).runs
            for evaluation in run.evaluations
        ],
        histories=lambda wildcards: [
            str(LAYOUT.trained("history.csv", run.study, *run.key, run.seed))
            for run in study_of(wildcards).runs
        ],
        audits=lambda wildcards: [
            str(LAYOUT.audit(wildcards.study, task))
            for task in study_of(wildcards).tasks
        ],
    output:
        metrics=report(
            str(LAYOUT.table("{study}", "metrics")),
            category="Tables",
            caption="../report/metrics.rst",
        ),
        claims=report(
            str(LAYOUT.table("{study}", "claims")),
            category="Claims",
            caption="../report/claims.rst",
        ),
        provenance=[str(LAYOUT.table_provenance("{study}", table)) for table in TABLES],
    log:
        str(LAYOUT.log("compare", "{study}")),
    group:
        REPORT_GROUP
    conda:
        "../envs/symbench.yaml"
    resources:
        **job_resources("compare"),
    params:
        fingerprint=lambda wildcards: study_of(wildcards).comparison_fingerprint,
        # No input: networks that were trained anew are not timed for it.
        times=lambda wildcards: contents(LAYOUT.table(wildcards.study, TIMES)),
    shell:
        'symbench compare "${{config[@]}}" --study {wildcards.study} > {log:q} 2>&1'


rule table:
    output:
        str(LAYOUT.further_table("{study}", "{table}")),
        str(LAYOUT.further_table_provenance("{study}", "{table}")),
    log:
        str(LAYOUT.log("table", "{study}", "{table}")),
    conda:
        "../envs/symbench.yaml"
    resources:
        **job_resources("compare"),
    params:
        fingerprint=lambda wildcards: study_of(wildcards).table_fingerprint(
            wildcards.table
        ),
    shell:
        'symbench table {wildcards.table} "${{config[@]}}" --study {wildcards.study}'
        " > {log:q} 2>&1"

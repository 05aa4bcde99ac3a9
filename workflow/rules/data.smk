rule fetch:
    output:
        str(LAYOUT.manifest("{dataset}", "{data}")),
    log:
        str(LAYOUT.log("fetch", "{dataset}", "{data}")),
    group:
        DATA_GROUP
    conda:
        "../envs/symbench.yaml"
    threads: resource("fetch", "threads")
    resources:
        **job_resources("fetch"),
    shell:
        'symbench fetch "${{config[@]}}" "${{studies[@]}}"'
        " --data {wildcards.dataset}/{wildcards.data} --threads {threads} > {log:q} 2>&1"


# Published weights of the Hub: where Snakemake runs, because nodes may have no network.
rule fetch_weights:
    output:
        list(map(str, LAYOUT.published_files("{weights}"))),
    log:
        str(LAYOUT.log("fetch_weights", "{weights}")),
    localrule: True
    conda:
        "../envs/symbench.yaml"
    shell:
        'symbench fetch-weights "${{config[@]}}" "${{studies[@]}}" {wildcards.weights}'
        " > {log:q} 2>&1"


# `make download` asks for it: all that a run takes from elsewhere.
rule downloads:
    input:
        lambda wildcards: [
            str(LAYOUT.manifest(*key))
            for key, task in CONFIGURATION.data.items()
            if task.dataset.needs_network(RawFiles(CONFIGURATION.raw_files))
        ],
        [
            str(path)
            for weights in CONFIGURATION.published
            for path in LAYOUT.published_files(weights)
        ],
    localrule: True


rule audit:
    input:
        manifest=manifest_of,
    output:
        str(LAYOUT.audit("{study}", "{task}")),
        str(LAYOUT.audit_provenance("{study}", "{task}")),
    log:
        str(LAYOUT.log("audit", "{study}", "{task}")),
    group:
        DATA_GROUP
    conda:
        "../envs/symbench.yaml"
    resources:
        **job_resources("audit"),
    params:
        fingerprint=lambda wildcards: task_of(wildcards).audit_fingerprint,
    shell:
        'symbench audit "${{config[@]}}" --study {wildcards.study} --task {wildcards.task}'
        " > {log:q} 2>&1"

# One rule per study, set of evaluations and treatment, because one job writes them all.
for study, evaluations, treatment, models in evaluation_sets(CONFIGURATION):

    rule:
        name:
            f"evaluate_{study.name}_{treatment}_{'_'.join(evaluations)}"
        input:
            manifest=f"{DATA}/{{task}}/manifest.json",
            audit=f"{RESULTS}/{study.name}/audits/{{task}}.csv",
            weights=f"{RESULTS}/{study.name}/models/{{task}}/{{model}}/{{treatment}}/seed{{seed}}/weights.safetensors",
        output:
            expand(
                f"{RESULTS}/{study.name}/evaluations/{{{{task}}}}/{{{{model}}}}/{{{{treatment}}}}/{{evaluation}}/seed{{{{seed}}}}.nc",
                evaluation=evaluations,
            ),
        log:
            f"{RESULTS}/logs/evaluate/{study.name}/{{task}}/{{model}}/{{treatment}}/seed{{seed}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/evaluate/{study.name}/{{task}}/{{model}}/{{treatment}}/seed{{seed}}.tsv"
        wildcard_constraints:
            model="|".join(models),
            treatment=treatment,
        conda:
            "../envs/symbench.yaml"
        threads: study.resources("evaluate").threads
        resources:
            mem_mb=resource("evaluate", "mem_mb", study),
            runtime=resource("evaluate", "runtime", study),
            gpu=resource("evaluate", "gpus", study),
            slurm_partition=resource("evaluate", "partition", study),
            constraint=resource("evaluate", "constraint", study),
        params:
            config=CONFIG_ARGUMENTS,
            study=study.name,
            fingerprint=lambda wildcards, study=study: study.evaluation_fingerprint(
                Cell(
                    study.name,
                    wildcards.task,
                    wildcards.model,
                    wildcards.treatment,
                    int(wildcards.seed),
                )
            ),
            data=lambda wildcards: f"{DATA}/{wildcards.task}",
            directory=lambda wildcards, output: Path(output[0]).parents[1],
        shell:
            "symbench evaluate {params.config} --study {params.study}"
            " --task {wildcards.task} --model {wildcards.model}"
            " --treatment {wildcards.treatment} --seed {wildcards.seed}"
            " --data {params.data} --weights {input.weights} --output {params.directory}"
            " --threads {threads} > {log} 2>&1"

# The rules lie in their standard place; Snakemake starts here in a checkout.
include: "workflow/Snakefile"


# Rules of an included file are no default target.
rule all:
    default_target: True
    input:
        rules.everything.input,
    localrule: True

"""Pages of the site that lie elsewhere in the repository, or are made from code; see mkdocs.yml."""

import posixpath
import re
from pathlib import Path

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from symbench.cli import app

ROOT = Path(__file__).parents[1]
# Pages that are files outside of docs, by their name in the site.
ELSEWHERE = {
    "index.md": "README.md",
    "config.md": "config/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "reference_tables.md": "results/reference/README.md",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs."""
    for name, source in ELSEWHERE.items():
        content = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=content))
    files.append(File.generated(config, "commands.md", content=_commands()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links between files of the repository be links between pages."""
    source = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {path: name for name, path in ELSEWHERE.items()}

    def linked(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if ":" in target or target.startswith("#"):
            return match[0]
        path, hash_, anchor = target.partition("#")
        repository = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        name = pages.get(repository) or pages.get(f"{repository}/README.md")
        if name is None and repository.startswith("docs/"):
            name = repository.removeprefix("docs/")
        # What is no page of the site is a file of the repository.
        return f"{image}[{text}]({name}{hash_}{anchor})" if name else f"{text} (`{repository}`)"

    return _LINK.sub(linked, markdown)


def _commands() -> str:
    """All commands with their options, as `--help` says them."""
    group = typer.main.get_command(app)
    context = group.context_class(group, info_name="symbench")
    return get_docs_for_click(obj=group, ctx=context, name="symbench", title="Commands")
